"""Nothing is bought that was not quoted and, where that is asked for, approved by a person."""

import copy
from collections.abc import Callable, Collection, Mapping
from typing import Any

import pytest

from lambdas.domain.errors import DecisionPending, SpendRejected
from tests.stacks.asl import Graph, evaluate

Machine = dict[str, Any]

COSTLY = {
    "Screen dataset",
    "Review records",
    "Start training",
    "Answer with base model",
    "Answer with other models",
    "Buy throughput",
    "Create deployment",
    "Answer with tuned model",
    "Judge answers",
}

# Each of base and judge, to see that they answer: less than $0.0001, before the quote.
ASKS_FOR_A_TOKEN = "Check preflight"


def unapproved(machine: Machine, costly: Collection[str] = tuple(COSTLY)) -> set[str]:
    """Return what costs money and can be reached without a quote, or past its refusal."""
    graph = Graph(machine)
    refused = {
        each["Next"]
        for name in ("Approve spend", "Confirm decision")
        for each in graph.nodes[name].state["Catch"]
    }
    reached = {
        *graph.reach(graph.start, past=lambda name: name == "Quote cost"),
        *graph.reach(graph.start, past=lambda name: name == "Approval required?"),
        *graph.reach("Approve spend", past=lambda name: name == "Confirm decision"),
        *(after for start in refused for after in graph.reach(start)),
    }
    return reached & {*costly}


def test_what_costs_money_is_what_its_role_allows(
    templates: Mapping[str, Mapping[str, Machine]], workflow: Machine
) -> None:
    resources = templates["dev"]["pipeline"]["Resources"]
    may_spend = {
        task.name
        for task in Graph(workflow).tasks()
        if _may_spend(resources, task.state["Arguments"]["FunctionName"].strip("${}"))
    }
    paid_for = COSTLY - {"Screen dataset"}  # which dev does not pay for
    assert may_spend == paid_for | {ASKS_FOR_A_TOKEN}


def _may_spend(resources: Mapping[str, Any], version: str) -> bool:
    function = resources[version]["Properties"]["FunctionName"]["Ref"]
    role = resources[resources[function]["Properties"]["Role"]["Fn::GetAtt"][0]]
    text = str(role["Properties"]["Policies"])
    return "'bedrock:Create" in text or "'bedrock:Invoke" in text


def test_nothing_costs_money_before_the_quote_and_its_approval(workflow: Machine) -> None:
    assert unapproved(workflow) == set()
    assert Graph(workflow).follow("Approval required?") >= {"Approve spend", "Screening requested?"}


def quote_skipped(machine: Machine) -> None:
    machine["States"]["Validate dataset"]["Next"] = "Start training"


def question_skipped(machine: Machine) -> None:
    machine["States"]["Quote cost"]["Next"] = "Start training"


def refusal_of_the_quote_ignored(machine: Machine) -> None:
    machine["States"]["Quote cost"]["Catch"][0]["Next"] = "Start training"


def silence_is_consent(machine: Machine) -> None:
    machine["States"]["Approve spend"]["Catch"][0]["Next"] = "Start training"


def rejection_ignored(machine: Machine) -> None:
    machine["States"]["Confirm decision"]["Catch"][-1]["Next"] = "Start training"


def confirmation_skipped(machine: Machine) -> None:
    machine["States"]["Approve spend"]["Next"] = "Start training"


@pytest.mark.parametrize(
    "spoil",
    [
        quote_skipped,
        question_skipped,
        refusal_of_the_quote_ignored,
        silence_is_consent,
        rejection_ignored,
        confirmation_skipped,
    ],
)
def test_the_proof_notices(workflow: Machine, spoil: Callable[[Machine], None]) -> None:
    spoilt = copy.deepcopy(workflow)
    spoil(spoilt)
    assert unapproved(spoilt)


def test_a_person_is_asked_where_the_run_says_so(workflow: Machine) -> None:
    (choice,) = workflow["States"]["Approval required?"]["Choices"]
    assert choice["Next"] == "Approve spend"
    asked = {
        hours: evaluate(choice["Condition"], run={"approval_hours": hours})
        for hours in (0.1, 24, None)
    }
    assert asked == {0.1: True, 24: True, None: False}


def test_one_state_waits_and_brings_its_own_token(workflow: Machine) -> None:
    waiting = [
        (task.name, task.state["Arguments"]["Payload"]["token"])
        for task in Graph(workflow).tasks()
        if task.state["Resource"].endswith(".waitForTaskToken")
    ]
    assert waiting == [("Approve spend", "{% $states.context.Task.Token %}")]


@pytest.mark.parametrize(("hours", "seconds"), [(0.1, 360), (2.5, 9000), (168, 604_800)])
def test_a_decision_is_waited_for_as_long_as_the_run_says(
    workflow: Machine, hours: float, seconds: int
) -> None:
    given = workflow["States"]["Approve spend"]["TimeoutSeconds"]
    assert evaluate(given, run={"approval_hours": hours}) == seconds


def test_silence_is_a_rejection_and_says_so(workflow: Machine) -> None:
    silence = workflow["States"]["Approve spend"]["Catch"][0]
    assert silence["ErrorEquals"] == ["States.Timeout"]
    failure = silence["Assign"]["failure"]
    assert failure["error"] == SpendRejected.__name__
    cause = evaluate(failure["cause"], run={"approval_hours": 4})
    assert "nobody decided within approval_hours = 4" in cause
    assert "Nothing was bought" in cause


def test_a_decision_is_waited_for_longer_than_its_execution_may_take(
    workflow: Machine, machines: Mapping[str, Machine]
) -> None:
    """Else the person is told of an approval that the run has already refused."""
    pending, *_ = workflow["States"]["Confirm decision"]["Retry"]
    assert pending["ErrorEquals"] == [DecisionPending.__name__]
    waits = [
        min(
            pending["IntervalSeconds"] * pending["BackoffRate"] ** attempt,
            pending["MaxDelaySeconds"],
        )
        for attempt in range(pending["MaxAttempts"])
    ]
    assert sum(waits) > machines["decide-spend"]["TimeoutSeconds"]
