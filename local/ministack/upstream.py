"""MiniStack's private names: it is pinned, and a name that has moved fails loudly."""

from __future__ import annotations

import importlib
import json
import os
from importlib.metadata import version

MINISTACK_VERSION = "1.5.33"


class PatchOutdated(RuntimeError):
    """MiniStack no longer has what a patch replaces."""


def check_version() -> None:
    """Raise `PatchOutdated` unless the patches fit the installed MiniStack, or that is tried."""
    installed = version("ministack")
    if installed not in {MINISTACK_VERSION, os.environ.get("TRIED_MINISTACK")}:
        raise PatchOutdated(
            f"ministack {installed} is installed, the patches fit {MINISTACK_VERSION}"
        )


def is_there(name: str) -> bool:
    """Whether MiniStack has a name, such as `services.s3._copy_object`."""
    module, _, attribute = name.rpartition(".")
    try:
        return hasattr(importlib.import_module(f"ministack.{module}"), attribute)
    except ImportError:
        return False


def check_answer(answer: tuple[int, dict[str, str], bytes]) -> None:
    """Raise `ValueError` with the message of an error that MiniStack answered."""
    status, _, body = answer
    if status >= 400:  # noqa: PLR2004  # HTTP's first error
        raise ValueError(json.loads(body).get("message") or body.decode())
