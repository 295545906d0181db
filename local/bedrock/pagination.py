"""Filtering, sorting and pagination of Bedrock's list operations."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Protocol, TypeVar

from local.bedrock.protocol import ValidationError

_DEFAULT_PAGE = 100


class Listed(Protocol):
    """What every listed resource has."""

    created: datetime

    @property
    def name(self) -> str: ...

    @property
    def status(self) -> str: ...


ItemT = TypeVar("ItemT", bound=Listed)


def filtered(
    items: Mapping[str, ItemT],
    request: dict[str, Any],
    *,
    until: datetime,
    matches: Callable[[ItemT], bool] = lambda _: True,
) -> list[ItemT]:
    """Apply the filters on status, name and creation time, and sortOrder.

    What was created after `until` is not in lists yet. Custom models call the status modelStatus,
    deployments the bounds createdAfter/Before.
    """
    after = _moment(request.get("creationTimeAfter") or request.get("createdAfter"))
    before = _moment(request.get("creationTimeBefore") or request.get("createdBefore"))
    wanted = request.get("statusEquals") or request.get("modelStatus")
    kept = [
        item
        for item in items.values()
        if item.created <= until
        and (request.get("nameContains", "").lower() in item.name.lower())
        and (not wanted or item.status == wanted)
        and (after is None or item.created > after)
        and (before is None or item.created < before)
        and matches(item)
    ]
    newest_first = request.get("sortOrder", "Descending") == "Descending"
    return sorted(kept, key=lambda item: item.created, reverse=newest_first)


def _moment(text: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if text else None
    except ValueError:
        raise ValidationError(f"The provided time is invalid: {text}") from None


def page(member: str, found: Iterable[dict[str, Any]], request: dict[str, Any]) -> dict[str, Any]:
    """Return one page of summaries, with the token of the next."""
    summaries = [*found]
    start = _offset(request.get("nextToken"))
    size = int(request.get("maxResults", _DEFAULT_PAGE))
    rest = start + size < len(summaries)
    return {
        member: summaries[start : start + size],
        "nextToken": base64.b64encode(str(start + size).encode()).decode() if rest else None,
    }


def _offset(token: str | None) -> int:
    try:
        return int(base64.b64decode(token)) if token else 0
    except ValueError:
        raise ValidationError("The provided nextToken is invalid") from None
