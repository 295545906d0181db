"""Access to MiniStack's private names: it is pinned, and a name that has moved fails loudly."""

from __future__ import annotations

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


def original(module: Any, name: str) -> Any:
    """Return `module.name`, or say which patch to look at."""
    try:
        return getattr(module, name)
    except AttributeError:
        raise PatchOutdated(
            f"{module.__name__}.{name} is gone: the patches fit ministack {MINISTACK_VERSION}, "
            "see local/ministack"
        ) from None
