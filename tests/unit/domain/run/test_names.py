from __future__ import annotations

import re

import boto3
import pytest
from botocore.model import ServiceModel
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from lambdas.domain.run.names import (
    MAX_ENVIRONMENT_LENGTH,
    EnvironmentName,
    is_name_of,
    names_of,
)

ENVIRONMENTS = st.from_regex(r"[a-z][a-z0-9]{0,4}(-[a-z0-9]{1,4}){0,2}", fullmatch=True)
ARN = "arn:aws:states:us-west-2:123456789012:execution:bedrock-tuning-local:"


@pytest.fixture(scope="module")
def bedrock() -> ServiceModel:
    return boto3.client("bedrock", region_name="us-west-2").meta.service_model


def accepts(model: ServiceModel, operation: str, member: str, value: str) -> bool:
    shape = model.operation_model(operation).input_shape.members[member]
    length = shape.metadata["min"] <= len(value) <= shape.metadata["max"]
    return length and re.fullmatch(shape.metadata["pattern"], value) is not None


@pytest.mark.slow
@given(environment=ENVIRONMENTS, name=st.text(min_size=1, max_size=80))
def test_every_name_satisfies_its_api(bedrock: ServiceModel, environment: str, name: str) -> None:
    names = names_of(environment, name, ARN + name.encode(errors="replace").hex())
    job, buy = "CreateModelCustomizationJob", "CreateProvisionedModelThroughput"
    assert accepts(bedrock, job, "jobName", names.job)
    assert accepts(bedrock, job, "customModelName", names.custom_model)
    assert accepts(bedrock, job, "clientRequestToken", names.client_token)
    assert accepts(bedrock, buy, "provisionedModelName", names.hosting)
    assert accepts(bedrock, buy, "clientRequestToken", names.client_token)
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", names.run)
    assert len(names.run) <= 40


def test_names_follow_from_the_execution_alone() -> None:
    first = names_of("prod", "Run of May", ARN + "Run of May")
    assert first == names_of("prod", "Run of May", ARN + "Run of May")
    assert first.run.startswith("run-of-may-")
    assert first.job == first.custom_model == first.hosting == f"prod-{first.run}"


@pytest.mark.slow
@given(environment=ENVIRONMENTS, name=st.text(min_size=1, max_size=80))
def test_a_name_tells_its_environment(environment: str, name: str) -> None:
    names = names_of(environment, name, ARN + name.encode(errors="replace").hex())
    assert all(
        is_name_of(environment, each) for each in (names.job, names.custom_model, names.hosting)
    )
    assert not is_name_of(environment, names.run)


@pytest.mark.parametrize("name", ["first", "2-first", "x-2-1a2b3c4d", "live(1)"])
def test_an_environment_and_one_that_begins_like_it_are_told_apart(name: str) -> None:
    longer = names_of("dev-2", name, ARN + name).hosting
    assert is_name_of("dev-2", longer)
    assert not is_name_of("dev", longer)
    assert not is_name_of("dev-2", names_of("dev", f"2-{name}", ARN + name).hosting)


@pytest.mark.parametrize("name", ["dev-by-hand", "dev-by-hand-0123456789ab", "dev-", "dev", ""])
def test_a_name_that_a_person_gave_is_not_the_environments(name: str) -> None:
    assert not is_name_of("dev", name)


def test_like_names_of_two_executions_differ() -> None:
    assert names_of("prod", "a b", ARN + "a b").run != names_of("prod", "a-b", ARN + "a-b").run


def test_one_name_in_two_machines_makes_two_runs() -> None:
    here, there = (names_of("prod", "first", arn) for arn in (f"{ARN}first", f"{ARN}other:first"))
    assert here.run != there.run
    assert here.client_token != there.client_token


def test_a_name_that_is_cut_at_a_dash_has_no_double_one() -> None:
    assert "--" not in names_of("prod", f"{'a' * 26} b", ARN + "x").run


def test_a_name_without_a_letter_still_has_one() -> None:
    assert names_of("prod", "日本", ARN + "x").run.startswith("run-")


@pytest.mark.parametrize(
    "name", ["", "Prod", "a--b", "-a", "1a", "a_b", "x" * (MAX_ENVIRONMENT_LENGTH + 1)]
)
def test_an_environment_that_would_break_a_name_is_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(EnvironmentName).validate_python(name)
