"""Each environment is synthesised once per session, in this process."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from stacks.constructs.step import Step
from stacks.environment import Environment, known_environments, load
from stacks.guards.steps import guard_steps
from stacks.pipeline.steps import PIPELINE_STEPS
from stacks.review.templates import Deployment, read, synthesise
from tests.stacks.asl import all_definitions

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


@pytest.fixture(scope="session")
def deployments(
    environments: Mapping[str, Environment], templates: Templates
) -> Mapping[str, Deployment]:
    """Return each environment as it is reviewed."""
    return {
        name: read(name, made.region, templates[name], account=made.account)
        for name, made in environments.items()
    }


@pytest.fixture(scope="session", params=known_environments())
def environment(
    request: pytest.FixtureRequest, environments: Mapping[str, Environment]
) -> Environment:
    return environments[str(request.param)]


@pytest.fixture(scope="session")
def stacks(environment: Environment, templates: Templates) -> Mapping[str, dict[str, Any]]:
    return templates[environment.name]


@pytest.fixture(scope="session")
def steps(environment: Environment) -> tuple[Step, ...]:
    """Return the functions that the environment has."""
    return (*PIPELINE_STEPS, *guard_steps(environment))


@pytest.fixture(scope="session")
def machines(templates: Templates) -> Mapping[str, dict[str, Any]]:
    """Return the four state machines by what they are for."""
    found = all_definitions(templates["dev"])
    workflow = found.pop("bedrock-tuning-dev")
    others = {name.removeprefix("bedrock-tuning-dev-"): each for name, each in found.items()}
    return {"workflow": workflow, **others}


@pytest.fixture(scope="session")
def functions(templates: Templates) -> Mapping[str, dict[str, Any]]:
    """Return the properties of the functions that the machines call, by their version's id."""
    return {
        key: resources[each["Properties"]["FunctionName"]["Ref"]]["Properties"]
        for resources in (templates["dev"][stack]["Resources"] for stack in ("pipeline", "guards"))
        for key, each in resources.items()
        if each["Type"] == "AWS::Lambda::Version"
    }


@pytest.fixture(scope="session")
def workflow(machines: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    return machines["workflow"]


@pytest.fixture(scope="session")
def guard(machines: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    return machines["guard"]
