"""What holds for every run, proven on the rendered state machine."""

import copy
import importlib
import inspect
import json
import re
import types
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jsonata
import pytest
from pydantic import BaseModel

from lambdas.domain import contracts
from lambdas.domain.execution_input import ExecutionInput
from stacks.functions import STEPS, Step
from stacks.mermaid import state_diagram
from stacks.workflow import failure
from tests.stacks.asl import END, Graph, expressions

Machine = dict[str, Any]
Stacks = Mapping[str, dict[str, Any]]

# Some states call the function of another.
CALLED = {
    "Notify failure": "Notify",
    "Release throughput after failure": "Release throughput",
    "Stop run again": "Stop run",
}
RETRIED = {"Throttled", "ServiceUnavailable", "Lambda.Unknown", "Sandbox.Timedout"}
FIELDS = {
    "Task": {"Resource", "Arguments", "TimeoutSeconds", "Retry", "Catch", "Assign", "Output"},
    "Parallel": {"Branches", "Retry", "Catch", "Assign", "Output"},
    "Choice": {"Choices", "Default", "Assign", "Output"},
    "Wait": {"Seconds", "Assign", "Output"},
    "Pass": {"Assign", "Output"},
    "Succeed": {"Output"},
    "Fail": {"Error", "Cause"},
}
ANY_STATE = {"Type", "Comment", "QueryLanguage", "Next", "End"}


def releases(name: str) -> bool:
    return CALLED.get(name, name) == "Release throughput"


def escapes(machine: Machine) -> set[str]:
    """Return how a run can end after the purchase without having asked for a release."""
    reached = Graph(machine).reach("Buy throughput", past=releases)
    return reached & {END, "Run succeeded", "Run failed", "Notify failure", "Judged?"}


def step_of(name: str) -> Step:
    return next(step for step in STEPS if step.name == CALLED.get(name, name))


def handler(name: str) -> Callable[..., Any]:
    """Return the typed function that the state calls."""
    module = importlib.import_module(f"lambdas.{step_of(name).module}")
    act: Callable[..., Any] = inspect.unwrap(module.handler)
    return act


def hints(name: str) -> dict[str, Any]:
    return typing.get_type_hints(handler(name))


def test_no_path_from_the_purchase_avoids_the_release(workflow: Machine) -> None:
    assert escapes(workflow) == set()


def without_catch(machine: Machine) -> None:
    del machine["States"]["Serve tuned model"]["Catch"]


def caught_elsewhere(machine: Machine) -> None:
    machine["States"]["Serve tuned model"]["Catch"][0]["Next"] = "Notify failure"


def catch_of_one_error(machine: Machine) -> None:
    machine["States"]["Release and judge"]["Catch"][0]["ErrorEquals"] = ["AnswersFailed"]


def release_optional(machine: Machine) -> None:
    hold = machine["States"]["Release and judge"]["Branches"][0]
    hold["States"]["Hold requested?"]["Default"] = "Leave it"
    hold["States"]["Leave it"] = {"Type": "Pass", "End": True}


def judged_first(machine: Machine) -> None:
    machine["States"]["Serve tuned model"]["Next"] = "Judged?"


@pytest.mark.parametrize(
    "spoil", [without_catch, caught_elsewhere, catch_of_one_error, release_optional, judged_first]
)
def test_the_proof_notices(workflow: Machine, spoil: Callable[[Machine], None]) -> None:
    spoilt = copy.deepcopy(workflow)
    spoil(spoilt)
    assert escapes(spoilt)


def test_the_purchase_is_alone_under_its_catch(workflow: Machine) -> None:
    buyers = [node for node in Graph(workflow).nodes.values() if "Buy" in node.name]
    assert [(node.name, node.parent) for node in buyers] == [
        ("Buy throughput", "Serve tuned model")
    ]


def test_every_state_can_be_reached(workflow: Machine, guard: Machine) -> None:
    for machine in (workflow, guard):
        graph = Graph(machine)
        assert graph.reach(graph.start) - {END} == {*graph.nodes}


def test_every_transition_stays_within_its_machine(workflow: Machine, guard: Machine) -> None:
    for machine in (workflow, guard):
        _check_transitions(machine)


def _check_transitions(machine: Machine) -> None:
    assert machine["StartAt"] in machine["States"]
    for name, state in machine["States"].items():
        targets = [state.get("Next"), state.get("Default")]
        targets += [each["Next"] for each in state.get("Choices", []) + state.get("Catch", [])]
        assert {each for each in targets if each} <= {*machine["States"]}, name
        ends = state.get("End", False) + ("Next" in state) + (state["Type"] in {"Succeed", "Fail"})
        assert ends == (state["Type"] != "Choice"), f"{name} must go on or end"
        for branch in state.get("Branches", []):
            _check_transitions(branch)


def test_states_have_the_fields_of_their_type_in_jsonata(workflow: Machine) -> None:
    for node in Graph(workflow).nodes.values():
        assert {*node.state} <= ANY_STATE | FIELDS[node.state["Type"]], node.name
    assert workflow["QueryLanguage"] == "JSONata"


def test_every_task_is_retried_caught_and_outlives_its_function(
    workflow: Machine, guard: Machine, templates: Mapping[str, Stacks]
) -> None:
    functions = templates["dev"]["pipeline"]["Resources"]
    for machine in (workflow, guard):
        for task in Graph(machine).tasks():
            errors = {error for retry in task.state["Retry"] for error in retry["ErrorEquals"]}
            assert errors >= RETRIED, task.name
            assert Graph(machine)._on_failure(task.name) - {END}, task.name  # noqa: SLF001  # ours
            arn = task.state["Arguments"]["FunctionName"]
            function = functions[arn.strip("${}")]["Properties"]
            assert task.state["TimeoutSeconds"] > function["Timeout"], task.name


def test_a_busy_throughput_is_asked_to_go_for_an_hour(workflow: Machine, guard: Machine) -> None:
    nodes = [*Graph(workflow).tasks(), *Graph(guard).tasks()]
    busy = {
        node.name: retry
        for node in nodes
        for retry in node.state["Retry"]
        if "ThroughputBusy" in retry["ErrorEquals"]
    }
    releasing = {"Release throughput", "Release throughput after failure"}
    assert {*busy} == releasing | {"Stop run", "Stop run again"}
    for retry in busy.values():
        assert retry["IntervalSeconds"] * retry["MaxAttempts"] == 3600
        assert retry["BackoffRate"] == 1


def test_no_release_is_given_up_for_an_unknown_error(workflow: Machine, guard: Machine) -> None:
    for task in [*Graph(workflow).tasks(), *Graph(guard).tasks()]:
        last = task.state["Retry"][-1]["ErrorEquals"]
        releasing = CALLED.get(task.name, task.name) in {"Release throughput", "Stop run"}
        assert (last == ["States.ALL"]) == releasing, task.name


def test_the_guard_looks_again_when_no_function_can_create_any_more(guard: Machine) -> None:
    wait = guard["States"][guard["States"]["Stop run"]["Next"]]
    creators = [step for step in STEPS if step.name in {"Start training", "Buy throughput"}]
    assert wait["Seconds"] > max(step.timeout_seconds for step in creators)
    assert wait["Next"] == "Stop run again"


def test_errors_that_a_person_must_act_on_are_not_retried(workflow: Machine) -> None:
    final = {each.__name__ for each in _subclasses(contracts_errors().TuningError)}
    for task in Graph(workflow).tasks():
        errors = {error for retry in task.state["Retry"] for error in retry["ErrorEquals"]}
        assert not errors & final, task.name


def contracts_errors() -> types.ModuleType:
    return importlib.import_module("lambdas.domain.errors")


def _subclasses(error: type) -> list[type]:
    return [each for child in error.__subclasses__() for each in (child, *_subclasses(child))]


def test_state_function_and_file_share_one_verb_phrase(
    workflow: Machine, guard: Machine, templates: Mapping[str, Stacks]
) -> None:
    functions = templates["dev"]["pipeline"]["Resources"]
    called = set()
    for task in [*Graph(workflow).tasks(), *Graph(guard).tasks()]:
        step = step_of(task.name)
        arn = task.state["Arguments"]["FunctionName"].strip("${}")
        properties = functions[arn]["Properties"]
        assert properties["FunctionName"] == f"bedrock-tuning-dev-{step.slug}"
        assert properties["Handler"] == f"lambdas.{step.module}.handler"
        source = Path(f"lambdas/{step.module}.py").read_text(encoding="utf-8")
        assert f'step("{step.name}"' in source
        called.add(step.name)
    assert called == {step.name for step in STEPS}


def test_payloads_are_what_the_functions_parse(workflow: Machine, guard: Machine) -> None:
    for task in [*Graph(workflow).tasks(), *Graph(guard).tasks()]:
        fields = hints(task.name)["request"].model_fields
        required = {name for name, field in fields.items() if field.is_required()}
        payload = {*task.state["Arguments"]["Payload"]}
        assert required <= payload <= {*fields}, task.name


def test_failures_are_what_notify_parses(workflow: Machine) -> None:
    for node in Graph(workflow).nodes.values():
        for catcher in node.state.get("Catch", []):
            made = {**catcher.get("Assign", {}), **catcher.get("Output", {})}.get("failure")
            if made is not None:
                assert {*made} == {*contracts.Failure.model_fields}, node.name


def results(workflow: Machine) -> dict[str, type[BaseModel]]:
    """Return the contract that stands in each variable."""
    made = {
        variable: hints(task.name)["return"]
        for task in Graph(workflow).tasks()
        for variable, value in task.state.get("Assign", {}).items()
        if value == "{% $states.result.Payload %}"
    }
    return {
        **made,
        "throughput": contracts.Throughput,
        "tuned_answers": contracts.Answers,
        "failure": contracts.Failure,
    }


def test_expressions_name_fields_that_exist(workflow: Machine) -> None:
    known = results(workflow)
    for text in expressions(workflow):
        for variable, field in re.findall(r"\$(\w+)\.(\w+)", text):
            if variable in known:
                assert field in known[variable].model_fields, f"${variable}.{field}"


def test_variables_are_assigned_and_none_is_shadowed(workflow: Machine) -> None:
    nodes = Graph(workflow).nodes.values()
    outer = {name for node in nodes if not node.parent for name in _assigned(node.state)}
    inner = {name for node in nodes if node.parent for name in _assigned(node.state)}
    assert not outer & inner  # Step Functions refuses a machine in which a branch shadows
    local = {"states", "given", "text", "found", "because"}
    functions = {"match", "substring", "exists", "parse", "split"}
    used = {name for text in expressions(workflow) for name in re.findall(r"\$(\w+)", text)}
    assert used <= outer | inner | local | functions


def _assigned(state: Mapping[str, Any]) -> set[str]:
    rules = [state, *state.get("Catch", []), *state.get("Choices", [])]
    return {name for rule in rules for name in rule.get("Assign", {})}


def test_results_are_small_by_construction() -> None:
    """256 KB is the limit of a state: results hold figures and keys, never records."""
    for step in STEPS:
        result = hints(step.name)["return"]
        for name, field in result.model_fields.items():
            assert _is_small(field.annotation), f"{result.__name__}.{name}"


def _is_small(annotation: object) -> bool:
    origin = typing.get_origin(annotation)
    if annotation == dict[str, str]:  # hyperparameters: five at most
        return True
    if origin is None and isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return all(_is_small(field.annotation) for field in annotation.model_fields.values())
    return origin not in {list, dict, set, tuple} and annotation is not bytes


def test_an_execution_may_last_as_long_as_any_input_allows(workflow: Machine) -> None:
    longest = ExecutionInput.model_json_schema()["properties"]
    seconds = 3600 * longest["max_training_hours"]["maximum"] + 60 * (
        longest["max_provisioning_minutes"]["maximum"] + longest["hold_minutes"]["maximum"]
    )
    assert seconds < workflow["TimeoutSeconds"] <= 30 * 24 * 3600


def evaluate(expression: str, error: Mapping[str, str]) -> str:
    body = expression.removeprefix("{%").removesuffix("%}")
    parsed = jsonata.Jsonata(body)
    parsed.register_lambda("parse", json.loads)
    result: str = parsed.evaluate(None, {"states": {"errorOutput": error}})
    return result


def cut(message: str, characters: int) -> str:
    return json.dumps({"errorMessage": message, "errorType": "DatasetInvalid"})[:characters]


CAUSES = {
    "of a function": (json.dumps({"errorMessage": "line 3: say", "errorType": "X"}), "line 3: say"),
    "type first": (json.dumps({"errorType": "X", "errorMessage": "gone"}), "gone"),
    "quotes and lines": (json.dumps({"errorMessage": 'a "b"\n\\c/é'}), 'a "b"\n\\c/é'),
    "plain text": ("the service said no", "the service said no"),
    "json of another kind": ('{"a": 1}', '{"a": 1}'),
    "cut in the message": (cut("x" * 50, 40), cut("x" * 50, 40)),
    "cut in an escape": (cut("\n" * 9, 20), cut("\n" * 9, 20)),
    "wrong escape": (r'{"errorMessage": "a\qb"}', r'{"errorMessage": "a\qb"}'),
    "too long": (json.dumps({"errorMessage": "y" * 9000}), "y" * 8000),
    "none": ("", "no cause was given"),
}


@pytest.mark.parametrize("case", CAUSES)
def test_a_cause_is_read_whatever_it_is(case: str) -> None:
    given, expected = CAUSES[case]
    cause = str(failure("Any state")["cause"])
    assert evaluate(cause, {"Error": "X", "Cause": given}) == expected


def test_a_cause_may_be_missing() -> None:
    assert evaluate(str(failure("Any state")["cause"]), {"Error": "X"}) == "no cause was given"


def test_what_may_be_left_is_said_with_the_command(workflow: Machine) -> None:
    said = {
        "Stop training": "stop-model-customization-job --region",
        "Release throughput after failure": "delete-provisioned-model-throughput --region",
    }
    for name, command in said.items():
        kept = workflow["States"][name]["Catch"][0]["Assign"]["failure"]
        assert command in kept["cause"]
        assert kept["error"] == "{% $failure.error %}"


def test_a_failed_run_fails(workflow: Machine) -> None:
    graph = Graph(workflow)
    failed = {name for name in graph.nodes if "failure" in name or name == "Run failed"}
    for name in failed:
        assert "Run succeeded" not in graph.reach(name)
    assert graph.nodes["Run failed"].state["Type"] == "Fail"


def test_the_picture_shows_every_state(workflow: Machine) -> None:
    picture = state_diagram(workflow)
    for name in Graph(workflow).nodes:
        assert f'state "{name}"' in picture
