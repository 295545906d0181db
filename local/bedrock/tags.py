"""The tags of resources, and AWS's rules for them.

Source: https://docs.aws.amazon.com/tag-editor/latest/userguide/tagging.html (read 2026-11-29): at
most 50 a resource, each key once, none that begins with `aws:` in any case of letters.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from local.bedrock.protocol import NotFound, ServiceError, ValidationError
from local.bedrock.state import KINDS, Region

_MOST = 50
_RESERVED = "aws:"


def refuse_tags(tags: Sequence[dict[str, str]], present: Iterable[str] = ()) -> None:
    """Refuse tags that a resource with the present keys cannot have.

    Raises
    ------
    ServiceError
        AWS's ValidationException, or TooManyTagsException.
    """
    keys = [tag["key"] for tag in tags]
    for key in keys:
        if key.lower().startswith(_RESERVED):
            raise ValidationError(
                f"{_RESERVED} prefixed tag key names are not allowed for external use: {key}"
            )
        if keys.count(key) > 1:
            raise ValidationError(f"Duplicate tag keys are not allowed: {key}")
    if len({*keys, *present}) > _MOST:
        raise ServiceError(
            "TooManyTagsException", f"The resource would have more than {_MOST} tags."
        )


def _tagged(region: Region, request: dict[str, Any]) -> str:
    arn = str(request["resourceARN"])
    if not any(arn in region.owned(kind) for kind in KINDS):
        raise NotFound(f"The resource {arn} was not found")
    return arn


def tag(region: Region, request: dict[str, Any]) -> dict[str, Any]:
    arn = _tagged(region, request)
    refuse_tags(request["tags"], region.tags.get(arn, ()))
    region.tag(arn, request["tags"])
    return {}


def untag(region: Region, request: dict[str, Any]) -> dict[str, Any]:
    for key in request["tagKeys"]:
        region.tags.get(_tagged(region, request), {}).pop(key, None)
    return {}


def list_tags(region: Region, request: dict[str, Any]) -> dict[str, Any]:
    tags = region.tags.get(_tagged(region, request), {})
    return {"tags": [{"key": key, "value": value} for key, value in tags.items()]}
