"""What the functions have in common: logs, layers, target and variables."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from lambdas.domain.run import variables as variables_module
from lambdas.domain.run.names import MAX_ENVIRONMENT_LENGTH
from stacks.constructs.access import Access
from stacks.constructs.step import Step
from stacks.constructs.variables import environment_of, values_of
from stacks.environment import MAX_VARIABLE_BYTES, Environment, variable_bytes
from stacks.guards.steps import GUARD_STEPS
from stacks.pipeline.steps import PIPELINE_STEPS
from stacks.review.templates import synthesise
from tests.stacks.resources import Stacks, both, of_type, variables


@pytest.fixture
def access(environment: Environment) -> Access:
    return Access(environment, "111111111111", "arn of a key", service_role_arn="arn of a role")


def test_every_log_is_kept_for_a_while(
    environment: Environment, stacks: Stacks, steps: Sequence[Step]
) -> None:
    logs = both(stacks, "AWS::Logs::LogGroup")
    machines = both(stacks, "AWS::StepFunctions::StateMachine")
    assert len(logs) == len(steps) + len(machines)
    days = {each["Properties"]["RetentionInDays"] for each in logs}
    assert days == {environment.functions.log_retention_days}


def test_few_functions_load_more_than_one_layer(stacks: Stacks) -> None:
    layers = {
        each["Properties"]["Handler"].split(".")[2]: len(each["Properties"]["Layers"])
        for each in both(stacks, "AWS::Lambda::Function")
        if len(each["Properties"]["Layers"]) > 1
    }
    assert layers == {
        "validate_dataset": 2,
        "screen_dataset": 2,
        "read_loss_curves": 3,
        "score_similarity": 2,
    }


def test_weights_are_scored_by_one_thread_and_fit_on_its_disk(stacks: Stacks) -> None:
    [function] = [
        each["Properties"]
        for each in both(stacks, "AWS::Lambda::Function")
        if each["Properties"]["Handler"] == "lambdas.handlers.score_similarity.handler"
    ]
    assert function["Environment"]["Variables"]["OPENBLAS_NUM_THREADS"] == "1"
    assert function["EphemeralStorage"]["Size"] >= 1024, "709 MB of a multilingual BERT"


def test_aws_runs_what_the_environment_says(templates: Mapping[str, Stacks]) -> None:
    for name in ("dev", "prod"):
        for function in both(templates[name], "AWS::Lambda::Function"):
            assert function["Properties"]["Runtime"] == "python3.13"
            assert function["Properties"]["Architectures"] == ["arm64"]


def test_a_young_account_takes_every_function(stacks: Stacks) -> None:
    """AWS refuses it more than 3,008 MB, and any concurrency reserved out of its ten."""
    for template in stacks.values():
        for function in of_type(template, "AWS::Lambda::Function"):
            assert function["Properties"]["MemorySize"] <= 3008
            assert "ReservedConcurrentExecutions" not in function["Properties"]
        assert "ProvisionedConcurrency" not in json.dumps(template)


def test_a_step_that_a_young_account_refuses_fails_the_synth() -> None:
    with pytest.raises(ValueError, match=r"'Check all' asks for 3009 MB: .* at most 3008"):
        Step("Check all", permissions=lambda _: [], memory_mb=3009)


def test_the_longest_accepted_environment_fits_the_variables(
    environments: Mapping[str, Environment], tmp_path: Path
) -> None:
    """Lambda takes 4,096 bytes a function: measured with every name as long as it may be."""
    prod = environments["prod"]
    empty = variable_bytes(prod.defaults.model_dump(mode="json"))
    prompt = "x" * (MAX_VARIABLE_BYTES - empty)
    longest = prod.model_copy(
        update={
            "name": "e" * MAX_ENVIRONMENT_LENGTH,
            "defaults": prod.defaults.model_copy(update={"system_prompt": prompt}),
            "prices": {"nova-micro": dict.fromkeys(["p" * (MAX_VARIABLE_BYTES - 40)], 1.0)},
        }
    )
    sizes = [
        len(json.dumps(_deployed(each), ensure_ascii=False).encode())
        for each in variables(synthesise(longest, tmp_path)).values()
    ]
    assert max(sizes) > MAX_VARIABLE_BYTES
    assert max(sizes) <= 4096


def _deployed(value: Mapping[str, object]) -> dict[str, str]:
    """Return variables as they will be, each ARN as long as the longest."""
    role = f"arn:aws:iam::{'1' * 12}:role/{'r' * 64}"
    account = re.compile(r'\{"Ref": "AWS::AccountId"\}')
    texts = {name: account.sub(f'"{"1" * 12}"', json.dumps(each)) for name, each in value.items()}
    return {
        name: "".join(re.findall(r'"([^"]*)"', text))
        if "Fn::Join" in text
        else role
        if "Fn::Get" in text
        else json.loads(text)
        for name, text in texts.items()
    }


def test_a_function_is_told_what_it_reads_and_reads_no_more(
    stacks: Stacks, steps: Sequence[Step]
) -> None:
    """What its declaration says it reads is what its handler parses, and all of it is there."""
    given = variables(stacks)
    for step in steps:
        source = Path(f"lambdas/handlers/{step.module}.py").read_text(encoding="utf-8")
        fields = step.variables.model_fields
        # A handler may parse a part first: what comes later must not fail what comes before.
        parsed = [
            getattr(variables_module, name)
            for name in re.findall(r"\bvariables_of\((\w+)\)", source)
        ]
        assert {name for each in parsed for name in each.model_fields} == {*fields}, step.name
        required = {name.upper() for name, field in fields.items() if field.is_required()}
        assert required <= {*given[step.module]}, step.name


def test_no_function_is_told_what_none_reads(access: Access) -> None:
    read = {
        name.upper()
        for step in (*PIPELINE_STEPS, *GUARD_STEPS)
        for name in step.variables.model_fields
    }
    assert {*values_of(access, code_version="0123456789ab")} <= read


def test_a_variable_without_a_value_fails_the_synth(access: Access) -> None:
    (step,) = (each for each in PIPELINE_STEPS if each.name == "Notify")
    values = values_of(access, code_version="0123456789ab")
    del values["TOPIC_ARN"]
    with pytest.raises(ValueError, match="step 'Notify' reads TOPIC_ARN"):
        environment_of(step, values, {})
