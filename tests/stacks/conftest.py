"""Each environment is synthesised once per session, in this process."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from stacks.environment import Environment, known_environments, load
from stacks.snapshot import definitions, synthesise

Templates = Mapping[str, Mapping[str, dict[str, Any]]]


@pytest.fixture(scope="session")
def environments() -> Mapping[str, Environment]:
    return {name: load(name) for name in known_environments()}


@pytest.fixture(scope="session")
def assemblies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("assemblies")


@pytest.fixture(scope="session")
def templates(environments: Mapping[str, Environment], assemblies: Path) -> Templates:
    return {name: synthesise(each, assemblies / name) for name, each in environments.items()}


@pytest.fixture(scope="session", params=known_environments())
def environment(
    request: pytest.FixtureRequest, environments: Mapping[str, Environment]
) -> Environment:
    return environments[str(request.param)]


@pytest.fixture(scope="session")
def stacks(environment: Environment, templates: Templates) -> Mapping[str, dict[str, Any]]:
    return templates[environment.name]


@pytest.fixture(scope="session")
def machines(templates: Templates) -> Mapping[str, dict[str, Any]]:
    return definitions(templates["dev"]["pipeline"])


@pytest.fixture(scope="session")
def workflow(machines: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    return machines["bedrock-tuning-dev"]


@pytest.fixture(scope="session")
def guard(machines: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    return machines["bedrock-tuning-dev-guard"]
