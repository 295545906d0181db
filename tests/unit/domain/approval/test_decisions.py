"""Approving a quote: what is asked, what every decision is answered, and which one counts."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given as hypothesis_given
from hypothesis import strategies as st

from lambdas.domain.approval import decisions as approval
from lambdas.domain.errors import (
    DatasetChanged,
    DecisionPending,
    DecisionRefused,
    InputInvalid,
    SpendRejected,
    Throttled,
)
from lambdas.domain.run.contracts import (
    Approval,
    ApproveSpendRequest,
    ConfirmDecisionRequest,
    Decided,
    DecideSpendRequest,
    Decision,
    Execution,
)
from lambdas.domain.run.execution_status import StartedExecution
from lambdas.handlers.approve_spend import approve_spend
from lambdas.handlers.confirm_decision import confirm_decision
from lambdas.handlers.decide_spend import decide_spend
from tests.factories import EXECUTION, FROZEN_OBJECTS, NAMES, NOW, QUOTED, dataset, run
from tests.fakes import bedrock as fakes_bedrock
from tests.fakes import s3 as fakes_s3
from tests.fakes import step_functions as fakes_states
from tests.fakes.bedrock import TOPIC_ARN, FakeSns
from tests.fakes.s3 import BUCKET, FakeS3, client_error
from tests.fakes.step_functions import FakeStepFunctions

DECIDE = "arn:aws:states:us-west-2:123456789012:stateMachine:bedrock-tuning-dev-decide-spend"
DECIDED_IN = DECIDE.replace("stateMachine", "execution")
QUOTE = QUOTED.model_copy(update={"summary": "Hosting  $46.50"})
APPROVE = {
    "run": NAMES.run,
    "quote_sha256": QUOTE.quote_sha256,
    "decision": "approve",
    "reason": "in budget",
}
REJECT = APPROVE | {"decision": "reject", "reason": "too dear"}
OTHER_SHA256 = "ab" * 32
REQUEST_KEY = f"approvals/{NAMES.run}/request.json"


class World:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, value in {
            "ARTEFACT_BUCKET": BUCKET,
            "TOPIC_ARN": TOPIC_ARN,
            "DECIDE_MACHINE_ARN": DECIDE,
        }.items():
            monkeypatch.setenv(name, value)
        self.s3 = fakes_s3.install(monkeypatch, FakeS3(frozen=FROZEN_OBJECTS))
        self.sns = FakeSns()
        fakes_bedrock.install(monkeypatch, sns=self.sns)
        self.states = fakes_states.install(monkeypatch, FakeStepFunctions())
        self.states.statuses[EXECUTION.arn] = "RUNNING"
        self.states.waiter = (EXECUTION.arn, "Approve spend")

    def ask(self, token: str = "t1") -> None:  # noqa: S107  # of a task, and made up
        self.states.waiting.add(token)
        approve_spend(
            ApproveSpendRequest(
                run=run(approval_hours=24),
                now=NOW,
                dataset=dataset(),
                quote=QUOTE,
                token=token,
            )
        )

    def decide(
        self, given: dict[str, Any] | None = None, *, hours: float = 1, by: str = "first"
    ) -> Decided:
        """Start an execution that decides; it succeeds unless its function raises."""
        given, at = APPROVE if given is None else given, NOW + timedelta(hours=hours)
        arn = f"{DECIDED_IN}:{by}"
        self.states.started[arn], self.states.statuses[arn] = (given, at), "FAILED"
        execution = Execution(name=by, arn=arn, started_at=at)
        decided = decide_spend(DecideSpendRequest(input=given, execution=execution, now=at))
        self.states.statuses[arn] = "SUCCEEDED"
        return decided

    def confirm(self, decided_in: str = f"{DECIDED_IN}:first") -> Approval:
        return confirm_decision(
            ConfirmDecisionRequest(
                run=run(), now=NOW, quote=QUOTE, decision=Decision(decided_in=decided_in)
            )
        )


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


@pytest.mark.parametrize(("usd", "shown"), [(0.094, "$0.09"), (1234.4, "$1,234.40")])
def test_the_subject_has_the_expected_cost_in_cents(usd: float, shown: str) -> None:
    assert f"approve about {shown}?" in approval.subject(run(), usd)


def test_the_mail_has_the_quote_and_exactly_what_to_do(world: World) -> None:
    world.ask()
    [mail] = world.sns.called("Publish")
    assert "Hosting  $46.50" in mail["Message"]
    assert json.dumps(REJECT | {"reason": "why"}) in mail["Message"]
    assert DECIDE in mail["Message"]
    assert "2026-11-24 09:30 UTC" in mail["Message"]
    assert NAMES.run in mail["Subject"]
    assert len(mail["Subject"]) <= 100


def test_nobody_is_asked_about_data_that_is_no_longer_what_was_quoted(world: World) -> None:
    world.s3.objects[dataset().training.key] += b"\n"
    with pytest.raises(DatasetChanged, match=r"dataset/training\.jsonl is no longer what"):
        world.ask()
    assert not world.sns.called("Publish")
    assert REQUEST_KEY not in world.s3.objects


def test_the_request_names_the_data_that_is_approved(world: World) -> None:
    world.ask()
    asked = json.loads(world.s3.objects[REQUEST_KEY])
    assert asked["dataset_sha256"] == dataset().sha256


def test_what_the_mail_says_to_start_with_is_taken(world: World) -> None:
    world.ask()
    [mail] = world.sns.called("Publish")
    first = next(line for line in mail["Message"].splitlines() if line.startswith("{"))
    assert world.decide(json.loads(first)).decision == "approve"


def test_an_approval_lets_the_run_go_on_with_its_reason(world: World) -> None:
    world.ask()
    assert "received the approval" in world.decide().message
    confirmed = world.confirm()
    assert confirmed.reason == "in budget"
    assert confirmed.decided_in.endswith(":first")
    assert confirmed.quote_sha256 == QUOTE.quote_sha256


def test_a_rejection_fails_the_run_with_the_reason(world: World) -> None:
    world.ask()
    assert "nothing was bought" in world.decide(REJECT).message
    with pytest.raises(SpendRejected, match=r"too dear.*Nothing was bought"):
        world.confirm()


def test_an_unknown_run_is_told_which_have_asked(world: World) -> None:
    world.ask()
    almost = f"{NAMES.run[:-1]}x"
    with pytest.raises(DecisionRefused, match=f"Did you mean '{NAMES.run}'") as refused:
        world.decide(APPROVE | {"run": almost})
    assert almost in str(refused.value)
    assert world.states.sent == []


def test_a_decision_on_another_quote_does_not_reach_the_run(world: World) -> None:
    world.ask()
    with pytest.raises(DecisionRefused, match=f"{QUOTE.quote_sha256}.*still waits"):
        world.decide(APPROVE | {"quote_sha256": OTHER_SHA256})
    assert world.states.sent == []
    assert world.decide(by="again").decision == "approve"


def test_a_second_decision_is_told_of_the_first(world: World) -> None:
    world.ask()
    world.decide()
    with pytest.raises(DecisionRefused, match=r"approve on 2026-11-23 10:30 UTC \(SUCCEEDED\)"):
        world.decide(REJECT, by="second")
    assert world.states.sent == [{"decided_in": f"{DECIDED_IN}:first"}]


@pytest.mark.parametrize(("hours", "status"), [(24, "RUNNING"), (40, "FAILED")])
def test_a_late_decision_is_told_that_it_is_too_late(
    world: World, hours: float, status: str
) -> None:
    world.ask()
    world.states.statuses[EXECUTION.arn] = status
    with pytest.raises(DecisionRefused, match="no decision by 2026-11-24 09:30 UTC"):
        world.decide(hours=hours)
    assert world.states.sent == []


def test_a_late_decision_on_an_approved_run_is_told_that_it_was_approved(world: World) -> None:
    world.ask()
    world.decide()
    with pytest.raises(DecisionRefused, match="was already decided: approve"):
        world.decide(REJECT, hours=30, by="second")


def test_a_decision_on_a_run_that_was_stopped_is_told_so(world: World) -> None:
    world.ask()
    world.states.waiting.clear()
    world.states.statuses[EXECUTION.arn] = "ABORTED"
    with pytest.raises(DecisionRefused, match="was stopped or has ended"):
        world.decide()


def test_a_decision_that_never_arrived_arrives_when_it_is_repeated(world: World) -> None:
    world.ask()
    world.states.failures["SendTaskSuccess"] = [client_error("ThrottlingException")]
    with pytest.raises(Throttled):
        world.decide()
    world.decide()  # the same execution, retried
    assert len(world.states.sent) == 1


def test_a_decision_whose_receipt_was_lost_has_arrived(world: World) -> None:
    """The function died after the run had got it: the token waits no more."""
    world.ask()
    world.decide()
    assert world.decide().decision == "approve"
    assert len(world.states.sent) == 1


def test_a_decision_between_two_attempts_to_ask_is_to_be_repeated(world: World) -> None:
    """The function died after the mail: its token waits no more, and a new one does."""
    world.ask()
    world.states.waiting.clear()
    with pytest.raises(DecisionRefused, match="repeat it after the next mail"):
        world.decide()
    world.ask("t2")
    assert world.decide(by="again").decision == "approve"
    assert world.confirm(f"{DECIDED_IN}:again").reason == "in budget"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, "run is missing"),
        ({"run": "r", "decision": "approve"}, "quote_sha256 is missing"),
        ({"run": "r", "decision": "yes"}, "decision"),
        ({"run": "r", "decison": "approve"}, "Did you mean 'decision'"),
    ],
)
def test_a_decision_that_does_not_parse_says_why(
    world: World, given: dict[str, Any], says: str
) -> None:
    with pytest.raises(InputInvalid, match=says):
        world.decide(given)


@pytest.mark.parametrize("status", ["FAILED", "ABORTED", "TIMED_OUT"])
def test_a_decision_whose_execution_did_not_succeed_does_not_count(
    world: World, status: str
) -> None:
    world.ask()
    world.decide()
    world.states.statuses[f"{DECIDED_IN}:first"] = status
    with pytest.raises(SpendRejected, match=f"ended as {status}"):
        world.confirm()


def test_a_decision_is_waited_for_until_its_execution_has_ended(world: World) -> None:
    world.ask()
    world.decide()
    world.states.statuses[f"{DECIDED_IN}:first"] = "RUNNING"
    with pytest.raises(DecisionPending):
        world.confirm()


@pytest.mark.parametrize(
    "decided_in",
    [
        f"{DECIDED_IN}:planted",
        f"{DECIDED_IN}x:first",
        "arn:aws:states:us-west-2:123456789012:execution:another-machine:first",
        EXECUTION.arn,
        "the CFO said so",
    ],
)
def test_a_planted_decision_does_not_count(world: World, decided_in: str) -> None:
    """Whoever reads the token in the bucket may resume the run, but not approve it."""
    if not decided_in.endswith(":planted"):
        world.states.started[decided_in] = (APPROVE, NOW)
        world.states.statuses[decided_in] = "SUCCEEDED"
    with pytest.raises(SpendRejected, match="no execution of the machine that decides"):
        world.confirm(decided_in)


@hypothesis_given(
    status=st.sampled_from(["SUCCEEDED", "FAILED", "ABORTED", "TIMED_OUT", "RUNNING"]),
    hours=st.sampled_from([-1, 0, 1]),
    given=st.one_of(
        st.just(APPROVE),
        st.fixed_dictionaries(
            {
                "run": st.sampled_from([NAMES.run, "another"]),
                "quote_sha256": st.sampled_from([QUOTE.quote_sha256, OTHER_SHA256]),
                "decision": st.sampled_from(["approve", "reject"]),
            }
        ),
        st.just(APPROVE | {"more": 1}),
        st.none(),
    ),
)
def test_only_a_success_on_this_run_and_this_quote_approves(
    status: str, hours: int, given: dict[str, Any] | None
) -> None:
    at = EXECUTION.started_at + timedelta(hours=hours)
    found = StartedExecution(status, at, given)
    counts = status == "SUCCEEDED" and hours >= 0 and given is not None and "more" not in given
    counts = counts and all(given[key] == APPROVE[key] for key in [*APPROVE][:3])  # type: ignore[index]  # not None
    try:
        approval.confirmed(run(), QUOTE, f"{DECIDED_IN}:a", found)
    except (SpendRejected, DecisionPending):
        assert not counts
    else:
        assert counts
