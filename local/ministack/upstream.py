"""Access to MiniStack's private names: it is pinned, and a name that has moved fails loudly."""

from __future__ import annotations

import json
from importlib.metadata import version
from typing import Any

MINISTACK_VERSION = "1.5.33"


class PatchOutdated(RuntimeError):
    """MiniStack no longer has what a patch replaces."""


def check_version() -> None:
    """Raise `PatchOutdated` unless the patches fit the installed MiniStack."""
    installed = version("ministack")
    if installed != MINISTACK_VERSION:
        raise PatchOutdated(
            f"ministack {installed} is installed, the patches fit {MINISTACK_VERSION}"
        )


def check_answer(answer: tuple[int, dict[str, str], bytes]) -> None:
    """Raise `ValueError` with the message of an error that MiniStack answered."""
    status, _, body = answer
    if status >= 400:  # noqa: PLR2004  # HTTP's first error
        raise ValueError(json.loads(body).get("message") or body.decode())


def original(module: Any, name: str) -> Any:
    """Return `module.name`, or say which patch to look at."""
    try:
        return getattr(module, name)
    except AttributeError:
        raise PatchOutdated(
            f"{module.__name__}.{name} is gone: the patches fit ministack {MINISTACK_VERSION}, "
            "see local/ministack"
        ) from None
