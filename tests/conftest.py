"""How the tests are shared out between the processes of a run."""

from __future__ import annotations

import pytest
from hypothesis import settings

from tests.repository import ROOT

# Synthesised environments, and unpacked layers.
GROUPS = {"stacks", "packages"}

# Hypothesis' limit of 200 ms an example measures how busy the machine is.
settings.register_profile("no-deadline", deadline=None)
settings.load_profile("no-deadline")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest, so that the processes end together."""
    folders = {item: item.path.relative_to(ROOT / "tests").parts[0] for item in items}
    items.sort(key=lambda item: folders[item] != "workflow")
    for item, folder in folders.items():
        if folder in GROUPS:
            item.add_marker(pytest.mark.xdist_group(folder))
