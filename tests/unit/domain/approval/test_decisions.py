"""Approving a quote: what is asked, and what every decision is answered."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from lambdas.domain.errors import DatasetChanged, DecisionRefused, InputInvalid, Throttled
from lambdas.domain.run.contracts import (
    ApproveSpendRequest,
    Decided,
    DecideSpendRequest,
    Execution,
    QuotedCost,
)
from lambdas.handlers.approve_spend import approve_spend
from lambdas.handlers.decide_spend import decide_spend
from tests.factories import EXECUTION, FROZEN_OBJECTS, NAMES, NOW, dataset, run
from tests.fakes import bedrock as fakes_bedrock
from tests.fakes import s3 as fakes_s3
from tests.fakes import step_functions as fakes_states
from tests.fakes.bedrock import FakeSns
from tests.fakes.s3 import BUCKET, FakeS3, client_error
from tests.fakes.step_functions import FakeStepFunctions

DECIDE = "arn:aws:states:us-west-2:123456789012:stateMachine:bedrock-tuning-dev-decide-spend"
QUOTE = QuotedCost(
    low_usd=20,
    expected_usd=46.5,
    high_usd=330,
    hosting_usd_per_hour=132,
    summary="Hosting  $46.50",
    quote_key="k",
    dataset_sha256=dataset().sha256,
)
REQUEST_KEY = f"approvals/{NAMES.run}/request.json"
DECISION_KEY = f"approvals/{NAMES.run}/decision.json"


class World:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, value in {
            "ARTEFACT_BUCKET": BUCKET,
            "TOPIC_ARN": "topic",
            "DECIDE_MACHINE_ARN": DECIDE,
        }.items():
            monkeypatch.setenv(name, value)
        self.s3 = fakes_s3.install(monkeypatch, FakeS3(frozen=FROZEN_OBJECTS))
        self.sns = FakeSns()
        fakes_bedrock.install(monkeypatch, sns=self.sns)
        self.states = fakes_states.install(monkeypatch, FakeStepFunctions())
        self.states.statuses[EXECUTION.arn] = "RUNNING"

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
        execution = Execution(name=by, arn=f"{DECIDE}:{by}", started_at=NOW)
        default = {"run": NAMES.run, "decision": "approve", "reason": "in budget"}
        return decide_spend(
            DecideSpendRequest(
                input=default if given is None else given,
                execution=execution,
                now=NOW + timedelta(hours=hours),
            )
        )


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


def test_the_mail_has_the_quote_and_exactly_what_to_do(world: World) -> None:
    world.ask()
    [mail] = world.sns.called("Publish")
    assert "Hosting  $46.50" in mail["Message"]
    assert json.dumps({"run": NAMES.run, "decision": "reject", "reason": "why"}) in mail["Message"]
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


def test_an_approval_lets_the_run_go_on_with_its_reason(world: World) -> None:
    world.ask()
    assert world.decide().decision == "approve"
    [(what, said)] = world.states.sent
    assert (what, said["reason"], said["asked"]) == ("approve", "in budget", True)
    assert said["decided_in"].endswith(":first")


def test_a_rejection_fails_the_run_with_the_reason(world: World) -> None:
    world.ask()
    world.decide({"run": NAMES.run, "decision": "reject", "reason": "too dear"})
    [(what, said)] = world.states.sent
    assert (what, said["error"]) == ("reject", "SpendRejected")
    assert "too dear" in said["cause"]
    assert "Nothing was bought" in said["cause"]


def test_an_unknown_run_is_told_which_have_asked(world: World) -> None:
    world.ask()
    almost = f"{NAMES.run[:-1]}x"
    with pytest.raises(DecisionRefused, match=f"Did you mean '{NAMES.run}'") as refused:
        world.decide({"run": almost, "decision": "approve"})
    assert almost in str(refused.value)
    assert world.states.sent == []


def test_a_second_decision_is_told_of_the_first(world: World) -> None:
    world.ask()
    world.decide()
    with pytest.raises(DecisionRefused, match="already approved on 2026-11-23 10:30 UTC"):
        world.decide({"run": NAMES.run, "decision": "reject"}, by="second")
    assert [what for what, _ in world.states.sent] == ["approve"]


def test_a_late_decision_is_told_that_it_is_too_late(world: World) -> None:
    world.ask()
    with pytest.raises(DecisionRefused, match="no decision by 2026-11-24 09:30 UTC"):
        world.decide(hours=24)
    assert DECISION_KEY not in world.s3.objects


def test_a_decision_on_a_run_that_was_stopped_is_told_so(world: World) -> None:
    world.ask()
    world.states.waiting.clear()
    world.states.statuses[EXECUTION.arn] = "ABORTED"
    with pytest.raises(DecisionRefused, match="was stopped or has ended"):
        world.decide()


def test_a_decision_that_never_arrived_arrives_when_it_is_repeated(world: World) -> None:
    world.ask()
    world.states.failures["approve"] = [client_error("ThrottlingException")]
    with pytest.raises(Throttled):
        world.decide()
    world.decide()  # the same execution, retried
    assert [what for what, _ in world.states.sent] == ["approve"]


def test_a_second_person_brings_the_first_decision_home(world: World) -> None:
    world.ask()
    world.states.failures["approve"] = [client_error("ThrottlingException")]
    with pytest.raises(Throttled):
        world.decide()
    with pytest.raises(DecisionRefused, match="already approved"):
        world.decide({"run": NAMES.run, "decision": "reject"}, by="second")
    assert [what for what, _ in world.states.sent] == ["approve"]


def test_a_decision_between_two_attempts_to_ask_reaches_the_second(world: World) -> None:
    """The function died after the mail: its token waits no more, and a new one does."""
    world.ask()
    world.states.waiting.clear()
    assert "as soon as it asks again" in world.decide().message
    world.ask("t2")
    assert [what for what, _ in world.states.sent] == ["approve"]
    assert len(world.sns.called("Publish")) == 1


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, "run is missing"),
        ({"run": "r", "decision": "yes"}, "decision"),
        ({"run": "r", "decison": "approve"}, "Did you mean 'decision'"),
    ],
)
def test_a_decision_that_does_not_parse_says_why(
    world: World, given: dict[str, Any], says: str
) -> None:
    with pytest.raises(InputInvalid, match=says):
        world.decide(given)
