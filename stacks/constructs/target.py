"""What a function runs on: a Python and an architecture, on AWS or on this machine."""

from __future__ import annotations

import platform
import sys
from dataclasses import dataclass

_ARCHITECTURES = {"aarch64": "arm64", "arm64": "arm64", "x86_64": "x86_64", "amd64": "x86_64"}
_WHEELS = {"arm64": "aarch64", "x86_64": "x86_64"}


@dataclass(frozen=True)
class Target:
    """Where wheels must run; `on_host`: pip picks them for this machine."""

    python: str  # "3.13"
    architecture: str  # Lambda's word: "arm64" or "x86_64"
    on_host: bool

    @property
    def pip_options(self) -> list[str]:
        """Options that make pip pick wheels for the target; none on this machine."""
        if self.on_host:
            return []
        # Lambda's Amazon Linux 2023 has glibc 2.34; wheels are named for the oldest they run on.
        kinds = ("manylinux2014", "manylinux_2_17", "manylinux_2_28")
        wheels = _WHEELS[self.architecture]
        platforms = [f"--platform={kind}_{wheels}" for kind in kinds]
        return [*platforms, f"--python-version={self.python}", "--implementation=cp"]

    @property
    def label(self) -> str:
        return f"python{self.python}-{self.architecture}" + ("-host" if self.on_host else "")


def this_machine() -> Target:
    """Return the target that the offline AWS needs: it runs functions on its own Python."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return Target(version, _ARCHITECTURES[platform.machine().lower()], on_host=True)
