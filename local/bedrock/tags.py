"""AWS's rules for a resource's tags.

Source: https://docs.aws.amazon.com/tag-editor/latest/userguide/tagging.html (read 2026-11-29): at
most 50 a resource, each key once, none that begins with `aws:` in any case of letters.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from local.bedrock.protocol import ServiceError, ValidationError

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
