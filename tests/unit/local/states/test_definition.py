"""What is refused when a machine is created."""

from __future__ import annotations

import json
from typing import Any

import pytest

from local.states.definition import problems
from local.states.expressions import Expressions
from tests.fakes.states_world import call, chain, distributed

PASS = {"Type": "Pass", "End": True}


def found(machine: Any, expressions: Expressions, language: str = "JSONata") -> str:
    definition = json.dumps({"QueryLanguage": language, **machine})
    return "; ".join(problems(definition, expressions))


def mapped(**more: Any) -> Any:
    return distributed(chain(Only={"Type": "Pass"}), **more)


BRANCH_ASSIGNS = chain(Inner={"Type": "Pass", "Assign": {"outer": 1}})
SCOPES = chain(
    Outer={"Type": "Pass", "Assign": {"outer": 1}},
    Both={"Type": "Parallel", "Branches": [BRANCH_ASSIGNS]},
)
ALL_FIRST = [{"ErrorEquals": ["States.ALL"]}, {"ErrorEquals": ["Mine"]}]
REFUSED = {
    "dangling next": ({"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "B"}}}, "B at"),
    "dangling start": ({"StartAt": "B", "States": {"A": PASS}}, "Missing target: B at /StartAt"),
    "dangling catch": (
        chain(A=call("f", Catch=[{"ErrorEquals": ["X"], "Next": "Gone"}])),
        "MISSING_TRANSITION_TARGET: Missing target: Gone at /States/A",
    ),
    "unreachable": (
        {"StartAt": "A", "States": {"A": PASS, "B": PASS}},
        "UNREACHABLE_STATE: State is not reachable: B at /States/B",
    ),
    "no condition": (
        chain(A={"Type": "Choice", "Choices": [{"Next": "A"}]}),
        "Field 'Condition' is required at /States/A/Choices",
    ),
    "no states": ({"StartAt": "A", "States": {}}, "States is missing or empty"),
    "no way out": (
        {"StartAt": "A", "States": {"A": {"Type": "Pass"}}},
        "Exactly one of Next and End is needed at /States/A",
    ),
    "unknown type": ({"StartAt": "A", "States": {"A": {"Type": "Pas"}}}, "state type: Pas"),
    "jsonpath field": (
        chain(A=call("f", ResultPath="$.x")),
        "Field 'ResultPath' is not supported at /States/A/ResultPath",
    ),
    "jsonpath state": (
        chain(A={"Type": "Pass", "QueryLanguage": "JSONPath"}),
        "JSONPath is not played offline at /States/A",
    ),
    "unknown field": (chain(A={"Type": "Pass", "Outptu": 1}), "Field 'Outptu' is not supported"),
    "assigned in an outer scope": (
        SCOPES,
        "'outer' is assigned in an outer scope at /States/Both/Branches[0]/States/Inner/Assign",
    ),
    "all not last": (chain(A=call("f", Retry=ALL_FIRST)), "States.ALL is not alone and last"),
    "two ways to wait": (
        chain(A={"Type": "Wait", "Seconds": 1, "Timestamp": "2030-01-01T00:00:00Z"}),
        "Exactly one of Seconds and Timestamp",
    ),
    "newer jsonata": (
        chain(A={"Type": "Pass", "Output": {"x": ["{% $a ?? 1 %}"]}}),
        "INVALID_JSONATA_EXPRESSION: S0211",
    ),
}


PUT = {"Resource": "arn:aws:states:::s3:putObject", "Arguments": {"Bucket": "b"}}
GET = {**PUT, "Resource": "arn:aws:states:::s3:getObject"}
NOT_PLAYED = {
    "arn:aws:states:::sns:publish": chain(
        A={"Type": "Task", "Resource": "arn:aws:states:::sns:publish"}
    ),
    "s3:listObjectsV2": mapped(ItemReader={"Resource": "arn:aws:states:::s3:listObjectsV2"}),
    "JSON": mapped(ItemReader={**GET, "ReaderConfig": {"InputType": "JSON"}}),
    "INLINE": mapped(
        ItemProcessor={"ProcessorConfig": {"Mode": "INLINE"}, **chain(A={"Type": "Pass"})}
    ),
    "EXPRESS": mapped(
        ItemProcessor={
            "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"},
            **chain(A={"Type": "Pass"}),
        }
    ),
    "100.1": mapped(ToleratedFailurePercentage=100.1),
    "-1": mapped(ToleratedFailurePercentage=-1),
    "25": mapped(ToleratedFailurePercentage=25),
    "{% 100 %}": mapped(ToleratedFailurePercentage="{% 100 %}"),
    "$partition": chain(A={"Type": "Pass", "Output": "{% $partition([1..5], 2) %}"}),
    "$range": chain(A={"Type": "Pass", "Output": "{% $range(0, 10, 5) %}"}),
    "$hash": chain(A={"Type": "Pass", "Output": "{% $hash('a', 'MD5') %}"}),
    "$random": chain(A={"Type": "Pass", "Output": "{% $random (7) %}"}),
    "$shuffle": chain(A={"Type": "Pass", "Output": "{% $shuffle([1..9]) %}"}),
    "$uuid": chain(A={"Type": "Pass", "Output": "{% [$uuid()] %}"}),
}


@pytest.mark.parametrize("name", NOT_PLAYED)
def test_what_is_not_played_is_refused_by_name(name: str, expressions: Expressions) -> None:
    assert f"{name} is not played offline" in found(NOT_PLAYED[name], expressions)


@pytest.mark.parametrize("field", ["Items", "ItemSelector", "ToleratedFailureCount"])
def test_a_field_that_is_not_played_is_refused_by_name(
    field: str, expressions: Expressions
) -> None:
    assert f"Field '{field}' is not supported" in found(mapped(**{field: 1}), expressions)


@pytest.mark.parametrize(
    ("part", "field"), [("ReaderConfig", "MaxItems"), ("ResultWriter", "WriterConfig")]
)
def test_a_part_of_a_map_that_is_not_played_is_refused_by_name(
    part: str, field: str, expressions: Expressions
) -> None:
    reader = {**GET, "ReaderConfig": {"InputType": "JSONL", "MaxItems": 1}}
    machine = mapped(ItemReader=reader, ResultWriter={**PUT, "WriterConfig": {}})
    assert f"Field '{field}' is not supported at /States/Map/" in found(machine, expressions)
    assert f"/{part}/{field}" in found(machine, expressions)


@pytest.mark.parametrize("case", REFUSED)
def test_what_aws_refuses(case: str, expressions: Expressions) -> None:
    machine, said = REFUSED[case]
    assert said in found(machine, expressions)


def test_a_machine_without_jsonata_is_refused_by_name(expressions: Expressions) -> None:
    said = "JSONPath is not played offline at /States/A/QueryLanguage"
    assert said in found(chain(A={"Type": "Pass"}), expressions, "JSONPath")
    assert problems(json.dumps(chain(A={"Type": "Pass"})), expressions)
    assert problems("{", expressions)[0].startswith("INVALID_JSON_DESCRIPTION")


def test_a_states_own_catcher_does_not_bind_its_branches(expressions: Expressions) -> None:
    """Recorded: what a Parallel state assigns at its end, its branches may assign, too."""
    catch = [{"ErrorEquals": ["States.ALL"], "Assign": {"v": 1}, "Next": "After"}]
    branches = [chain(Inner={"Type": "Pass", "Assign": {"v": 1, "w": 1}})]
    both = {"Type": "Parallel", "Branches": branches, "Catch": catch, "Assign": {"w": 1}}
    assert found(chain(Both=both, After={"Type": "Succeed"}), expressions) == ""


def test_a_child_execution_may_assign_what_is_assigned_outside(expressions: Expressions) -> None:
    inner = chain(Inner={"Type": "Pass", "Assign": {"outer": 1}})
    outer = {"Type": "Pass", "Assign": {"outer": 1}}
    machine = chain(Outer=outer, **distributed(inner)["States"])
    assert found(machine, expressions) == ""
