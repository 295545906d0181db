"""Templates of dev to change, and what a review says of the change."""

import copy
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from stacks.environment import Environment
from stacks.review.changes import Changes, compare
from stacks.review.markdown import review
from stacks.review.templates import Deployment, read

Stacks = dict[str, dict[str, Any]]
Edit = Callable[[Stacks], object]
QUOTE = {"expected": 26.5, "at most": 151.54, "items": {"Training": [0.02, 0.04]}}


@pytest.fixture
def changed(templates: Mapping[str, Stacks]) -> Callable[[Edit], Stacks]:
    """Return dev's templates after an edit."""

    def apply(edit: Edit) -> Stacks:
        stacks = copy.deepcopy(templates["dev"])
        edit(stacks)
        return stacks

    return apply


@pytest.fixture
def changes(
    deployments: Mapping[str, Deployment], changed: Callable[[Edit], Stacks]
) -> Callable[[Edit], Changes]:
    """Return what an edit of dev's templates changes."""
    return lambda edit: compare(deployments["dev"], read("dev", "us-east-1", changed(edit)))


@pytest.fixture
def side(
    templates: Mapping[str, Stacks], environments: Mapping[str, Environment]
) -> Callable[..., dict[str, Any]]:
    """Return one side of a review: dev, unless told otherwise."""

    def make(stacks: Stacks | None = None, name: str = "dev", **others: object) -> dict[str, Any]:
        return {
            "settings": {"spending": {"monthly_budget_usd": 500}},
            "region": environments[name].region,
            "stacks": stacks or templates[name],
            "quote": QUOTE,
        } | others

    return make


@pytest.fixture
def reviewed(
    side: Callable[..., dict[str, Any]], changed: Callable[[Edit], Stacks]
) -> Callable[[Edit], str]:
    """Return the review of an edit of dev's templates."""
    return lambda edit: review("title", {"dev": side()}, {"dev": side(changed(edit))})


def find(stacks: Stacks, name: str) -> dict[str, Any]:
    """Return the resource whose logical id is `name` and a hash."""
    found: list[dict[str, Any]] = [
        each
        for stack in stacks.values()
        for key, each in stack["Resources"].items()
        if key[:-8] == name
    ]
    assert len(found) == 1
    return found[0]
