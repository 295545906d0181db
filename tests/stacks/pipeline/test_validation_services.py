"""The table [validation]: what *Screen dataset* may ask, only where an environment wants it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from stacks.application import new_app, populate
from stacks.environment import Environment, Validation
from stacks.review.templates import synthesise
from tests.stacks.findings import explained, findings
from tests.stacks.test_roles import listed, role, statements

Resources = Mapping[str, dict[str, Any]]


@pytest.fixture(scope="module")
def asking(environments: Mapping[str, Environment]) -> Environment:
    validation = Validation(comprehend_max_usd=2.5)
    return environments["local"].model_copy(update={"validation": validation})


@pytest.fixture(scope="module")
def wanted(asking: Environment, tmp_path_factory: pytest.TempPathFactory) -> Resources:
    stacks = synthesise(asking, tmp_path_factory.mktemp("asking"))
    return dict(stacks["pipeline"]["Resources"])


def asked(resources: Resources) -> dict[str, list[str]]:
    return {
        action: listed(each["Resource"])
        for each in statements(role(resources, "FunctionsScreenDatasetRole"))
        for action in listed(each["Action"])
        if action == "comprehend:DetectPiiEntities"
    }


def variables(resources: Resources) -> dict[str, str]:
    [found] = [
        each["Properties"]["Environment"]["Variables"]
        for name, each in resources.items()
        if each["Type"] == "AWS::Lambda::Function" and name.startswith("FunctionsCheckPreflight")
    ]
    return dict(found)


def test_by_default_nothing_may_be_asked(stacks: Mapping[str, dict[str, Any]]) -> None:
    resources = stacks["pipeline"]["Resources"]
    assert asked(resources) == {}
    assert "COMPREHEND_MAX_USD" not in variables(resources)


def test_where_it_is_wanted_the_function_is_told_and_allowed(wanted: Resources) -> None:
    assert variables(wanted)["COMPREHEND_MAX_USD"] == "2.5"
    assert asked(wanted) == {"comprehend:DetectPiiEntities": ["*"]}


def test_the_one_wildcard_more_has_its_reason(asking: Environment, tmp_path: Path) -> None:
    app = new_app(tmp_path)
    populate(app, asking)
    app.synth()
    assert findings(tmp_path) == {*explained(app)}
