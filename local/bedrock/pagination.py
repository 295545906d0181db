"""Filtering, sorting and pagination of Bedrock's list operations."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar

from local.bedrock.protocol import ValidationError
from local.bedrock.state import Region

_DEFAULT_PAGE = 100


class Listed(Protocol):
    """What every listed resource has."""

    created: datetime

    @property
    def name(self) -> str: ...

    @property
    def status(self) -> str: ...


ItemT = TypeVar("ItemT", bound=Listed)


def listed(  # noqa: PLR0913, PLR0917  # what is listed, and how
    region: Region,
    request: dict[str, Any],
    member: str,
    items: Mapping[str, ItemT],
    describe: Callable[[ItemT], dict[str, Any]],
    matches: Callable[[ItemT], bool] = lambda _: True,
) -> dict[str, Any]:
    """Return one page of the items that the request's filters leave, with the token of the next."""
    summaries = [describe(item) for item in _filtered(region, request, items) if matches(item)]
    start = _offset(request.get("nextToken"))
    size = int(request.get("maxResults", _DEFAULT_PAGE))
    rest = start + size < len(summaries)
    return {
        member: summaries[start : start + size],
        "nextToken": base64.b64encode(str(start + size).encode()).decode() if rest else None,
    }


def _filtered(region: Region, request: dict[str, Any], items: Mapping[str, ItemT]) -> list[ItemT]:
    """Apply the filters on status, name and creation time, and sortOrder.

    Custom models call the status modelStatus, deployments the bounds createdAfter/Before.
    """
    after = _moment(request.get("creationTimeAfter") or request.get("createdAfter"))
    before = _moment(request.get("creationTimeBefore") or request.get("createdBefore"))
    wanted = request.get("statusEquals") or request.get("modelStatus")
    until = region.now() - timedelta(minutes=region.scenario.list_lag_minutes)
    kept = [
        item
        for item in items.values()
        if item.created <= until
        and (request.get("nameContains", "").lower() in item.name.lower())
        and (not wanted or item.status == wanted)
        and (after is None or item.created > after)
        and (before is None or item.created < before)
    ]
    newest_first = request.get("sortOrder", "Descending") == "Descending"
    return sorted(kept, key=lambda item: item.created, reverse=newest_first)


def _moment(text: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if text else None
    except ValueError:
        raise ValidationError(f"The provided time is invalid: {text}") from None


def _offset(token: str | None) -> int:
    try:
        return int(base64.b64decode(token)) if token else 0
    except ValueError:
        raise ValidationError("The provided nextToken is invalid") from None
