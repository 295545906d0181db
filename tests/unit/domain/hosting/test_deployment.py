"""Deployments on demand, and that one release gives back whatever a run owns."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta

import pytest

from lambdas.domain.cost.quote import TUNED_ANSWERS
from lambdas.domain.errors import (
    AccessDenied,
    AnswersFailed,
    HostingBusy,
    HostingFailed,
    ModelGone,
    QuotaExceeded,
    RequestRefused,
    Throttled,
)
from lambdas.domain.hosting.course import answering_seconds, release_by
from lambdas.domain.hosting.kinds import KINDS
from lambdas.domain.run.contracts import (
    AnswerWithTunedModelRequest,
    CheckHostingRequest,
    GiveBackRequest,
    Hosting,
    HostModelRequest,
    Release,
    StopRunRequest,
)
from lambdas.handlers.answer_with_tuned_model import answer_with_tuned_model
from lambdas.handlers.buy_throughput import buy_throughput
from lambdas.handlers.check_deployment import check_deployment
from lambdas.handlers.create_deployment import create_deployment
from lambdas.handlers.release_hosting import release_hosting
from lambdas.handlers.stop_run import stop_run
from tests.factories import (
    EXECUTION,
    FROZEN,
    NAMES,
    NOW,
    PREFIX,
    dataset,
    frozen,
    hosting,
    run,
    training,
)
from tests.fakes import s3 as fakes_s3
from tests.fakes import step_functions as fakes_states
from tests.fakes.bedrock import FakeBedrock, FakeRuntime, install, text_reply
from tests.fakes.function import plenty
from tests.fakes.s3 import BUCKET, FakeS3
from tests.fakes.step_functions import FakeStepFunctions

CREATE = HostModelRequest(run=run(keep_hours=24), now=NOW, dataset=dataset(), training=training())
LATER = NOW + timedelta(minutes=30)
RELEASE = GiveBackRequest.model_validate({"run": run().model_dump(), "now": LATER})
NAME = NAMES.hosting
QUESTION = b'{"id": "q-1", "question": "What?", "reference_answer": "That."}\n'
EVALUATION = frozen("evaluation", QUESTION)


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> FakeS3:
    return fakes_s3.install(monkeypatch, FakeS3(frozen={EVALUATION.key: QUESTION}))


@pytest.fixture
def runtime() -> FakeRuntime:
    return FakeRuntime(lambda _: text_reply("That."))


@pytest.fixture
def bedrock(monkeypatch: pytest.MonkeyPatch, s3: FakeS3, runtime: FakeRuntime) -> FakeBedrock:
    del s3
    monkeypatch.setenv("ENVIRONMENT", "dev")
    monkeypatch.setenv("ARTEFACT_BUCKET", BUCKET)
    monkeypatch.setattr("lambdas.aws.converse.time.sleep", lambda _: None)
    fake = FakeBedrock(NOW)
    install(monkeypatch, bedrock=fake, bedrock_runtime=runtime)
    return fake


@pytest.fixture
def active(bedrock: FakeBedrock) -> FakeBedrock:
    bedrock.deployments[NAME] = bedrock.deployment(NAME, "Active")
    return bedrock


@pytest.fixture
def both(active: FakeBedrock) -> FakeBedrock:
    """What no run buys by itself, and a person or a bug may."""
    active.throughputs[NAME] = active.throughput(NAME, "InService")
    return active


def deployed(**changes: object) -> Hosting:
    arn = FakeBedrock(NOW).deployment(NAME)["customModelDeploymentArn"]
    values = {"kind": "on-demand", "hosting_arn": arn, "created_at": NOW}
    return hosting(**values | changes)


def check(*, minutes: float = 10) -> CheckHostingRequest:
    return CheckHostingRequest(run=run(), now=NOW + timedelta(minutes=minutes), hosting=deployed())


def test_it_is_created_once_and_tagged_in_the_same_call(bedrock: FakeBedrock, s3: FakeS3) -> None:
    first = create_deployment(CREATE)
    again = create_deployment(CREATE)
    assert first == again
    assert (first.kind, first.done, first.created_at) == ("on-demand", False, NOW)
    [request] = bedrock.called("CreateCustomModelDeployment")
    assert request == {
        "clientRequestToken": NAMES.client_token,
        "modelDeploymentName": NAME,
        "modelArn": training().custom_model_arn,
        "tags": [
            {"key": "bedrock-tuning:environment", "value": "dev"},
            {"key": "bedrock-tuning:run", "value": NAMES.run},
            {"key": "bedrock-tuning:execution", "value": EXECUTION.arn},
            {"key": "bedrock-tuning:release-by", "value": "2026-11-24T16:30:00+00:00"},
        ],
    }
    assert {*s3.objects} == {EVALUATION.key}, "it costs nothing yet, so nothing is noted"


def test_its_release_by_leaves_time_for_creation_answers_and_keeping() -> None:
    margin = KINDS["on-demand"].margin_minutes
    assert release_by(CREATE.run, "on-demand", 24, NOW) - NOW == timedelta(
        minutes=60 + margin, hours=24
    )
    answering = answering_seconds(deployed(release_by=NOW + timedelta(hours=30)), CREATE.run, NOW)
    assert answering == 3600 * (30 - 24) - 15 * 60, "asking leaves the time for which it is kept"


def test_a_name_in_use_is_the_runs_own(bedrock: FakeBedrock) -> None:
    """The create call models no conflict, and an answer may be older than the first try."""
    bedrock.deployments[NAME] = bedrock.deployment(NAME)
    bedrock.fail("GetCustomModelDeployment", "ResourceNotFoundException")
    made = create_deployment(CREATE)
    assert made.hosting_arn == bedrock.deployments[NAME]["customModelDeploymentArn"]
    bedrock.deployments.clear()
    bedrock.fail("CreateCustomModelDeployment", "ValidationException")
    with pytest.raises(RequestRefused, match="could not create deployment"):
        create_deployment(CREATE)


def test_a_quota_that_is_used_up_says_how_to_make_room(bedrock: FakeBedrock) -> None:
    bedrock.fail("CreateCustomModelDeployment", "ServiceQuotaExceededException")
    with pytest.raises(QuotaExceeded, match=r"list-custom-model-deployments --region us-west-2"):
        create_deployment(CREATE)


@pytest.mark.parametrize("create", [create_deployment, buy_throughput])
def test_a_model_that_was_deleted_meanwhile_is_named(
    bedrock: FakeBedrock, create: Callable[[HostModelRequest], Hosting]
) -> None:
    bedrock.fail("CreateCustomModelDeployment", "ResourceNotFoundException")
    bedrock.fail("CreateProvisionedModelThroughput", "ResourceNotFoundException")
    with pytest.raises(ModelGone, match=r"its model arn:aws:bedrock:.* DeleteCustomModel\)"):
        create(CREATE)


def test_a_failed_one_is_told_and_no_other_is_made(bedrock: FakeBedrock) -> None:
    bedrock.deployments[NAME] = bedrock.deployment(NAME, "Failed", failureMessage="No capacity.")
    with pytest.raises(HostingFailed, match=r"deployment .* failed: No capacity\. Try again later"):
        create_deployment(CREATE)
    assert not bedrock.called("CreateCustomModelDeployment")
    assert not bedrock.called("CreateProvisionedModelThroughput")


@pytest.mark.parametrize(("status", "ready"), [("Creating", False), ("Active", True)])
def test_check_tells_whether_it_is_active(
    bedrock: FakeBedrock, status: str, *, ready: bool
) -> None:
    bedrock.deployments[NAME] = bedrock.deployment(NAME, status)
    found = check_deployment(check())
    assert (found.done, found.age_minutes) == (ready, 10)
    assert 20 <= found.wait_seconds <= 30


def test_check_gives_up_after_the_time_of_its_kind(bedrock: FakeBedrock) -> None:
    bedrock.deployments[NAME] = bedrock.deployment(NAME)
    assert not check_deployment(check(minutes=60)).done
    with pytest.raises(HostingFailed, match="still Creating after 60 min, longer than max_prov"):
        check_deployment(check(minutes=60.1))


def test_check_of_one_that_is_gone(bedrock: FakeBedrock) -> None:
    assert not bedrock.deployments
    first = check_deployment(check(minutes=1))
    assert (first.done, first.missing_since) == (False, NOW + timedelta(minutes=1))
    later = check(minutes=6).model_copy(update={"hosting": first})
    with pytest.raises(HostingFailed, match="the caller of DeleteCustomModelDeployment"):
        check_deployment(later)


def asking(**changes: object) -> AnswerWithTunedModelRequest:
    data = dataset(files=[*FROZEN[:2], EVALUATION])
    late = deployed(release_by=NOW + timedelta(hours=40), **changes)
    return AnswerWithTunedModelRequest(run=run(), now=NOW, dataset=data, hosting=late)


def test_what_the_answers_may_bill_is_noted_before_the_first(
    active: FakeBedrock, runtime: FakeRuntime, s3: FakeS3
) -> None:
    runtime.fail("Converse", "AccessDeniedException")
    with pytest.raises(AccessDenied):
        answer_with_tuned_model(asking(), plenty)
    note = json.loads(s3.objects[f"{PREFIX}/billing/answers-of-the-tuned-model.json"])
    assert note == {"kind": TUNED_ANSWERS, "since": NOW.isoformat()}
    assert answer_with_tuned_model(asking(), plenty).answered == 1
    [arn] = {each["modelId"] for each in runtime.called("Converse")}
    assert arn == active.deployments[NAME]["customModelDeploymentArn"]


def test_answers_of_throughput_are_paid_for_with_it(bedrock: FakeBedrock, s3: FakeS3) -> None:
    assert not bedrock.deployments
    answer_with_tuned_model(asking(kind="provisioned"), plenty)
    assert not [key for key in s3.objects if "/billing/" in key]


def test_a_model_that_is_not_ready_yet_is_asked_again(
    active: FakeBedrock, runtime: FakeRuntime
) -> None:
    """Active is no promise: the first calls may find it loading."""
    assert active.deployments
    runtime.fail("Converse", *["ModelNotReadyException"] * 12)
    answers = answer_with_tuned_model(asking(), plenty)
    assert (answers.answered, answers.failed) == (1, 0)


@pytest.mark.parametrize(
    ("status", "says"), [("Failed", r"failed: Bedrock gave no reason"), (None, "is gone")]
)
def test_failed_can_follow_active(
    bedrock: FakeBedrock, runtime: FakeRuntime, status: str | None, says: str
) -> None:
    if status:
        bedrock.deployments[NAME] = bedrock.deployment(NAME, status)
    runtime.fail("Converse", "ResourceNotFoundException")
    with pytest.raises(HostingFailed, match=says):
        answer_with_tuned_model(asking(), plenty)


@pytest.mark.parametrize("code", ["AccessDeniedException", "ThrottlingException"])
def test_answers_that_fail_for_another_reason_say_it(
    active: FakeBedrock, runtime: FakeRuntime, code: str
) -> None:
    active.fail("GetCustomModelDeployment", code)
    for _ in range(2):
        runtime.fail("Converse", "ValidationException")
        with pytest.raises(AnswersFailed, match="could not ask"):
            answer_with_tuned_model(asking(), plenty)


def test_release_deletes_and_bills_no_time(active: FakeBedrock, s3: FakeS3) -> None:
    arn = active.deployments[NAME]["customModelDeploymentArn"]
    released = release_hosting(RELEASE, plenty)
    assert released == Release(
        found=True, kind="on-demand", hosting_arn=arn, billed_minutes=None, at=LATER
    )
    assert not active.deployments
    assert f"{PREFIX}/released.json" in s3.objects
    assert not release_hosting(RELEASE, plenty).found


def test_one_in_creation_is_released_when_aws_lets_it_go(bedrock: FakeBedrock) -> None:
    bedrock.deployments[NAME] = bedrock.deployment(NAME, "Creating")
    with pytest.raises(HostingBusy):
        release_hosting(RELEASE, plenty)
    bedrock.deployments[NAME]["status"] = "Active"
    assert release_hosting(RELEASE, plenty).found


def test_a_refusal_of_one_that_does_not_change_is_no_release(active: FakeBedrock) -> None:
    active.fail("DeleteCustomModelDeployment", "ValidationException")
    with pytest.raises(RequestRefused):
        release_hosting(RELEASE, plenty)


def test_of_both_kinds_all_goes_and_throughput_is_told_of(both: FakeBedrock) -> None:
    released = release_hosting(RELEASE, plenty)
    assert (both.throughputs, both.deployments) == ({}, {})
    assert (released.kind, released.billed_minutes) == ("provisioned", 30)


@pytest.mark.parametrize("code", ["AccessDeniedException", "ThrottlingException", "Surprise"])
def test_each_kind_goes_though_the_other_cannot(both: FakeBedrock, code: str) -> None:
    both.fail("DeleteProvisionedModelThroughput", code)
    with pytest.raises(Exception, match="the fake says"):
        release_hosting(RELEASE, plenty)
    assert (len(both.throughputs), len(both.deployments)) == (1, 0)
    assert release_hosting(RELEASE, plenty).found, "tried again"
    assert (both.throughputs, both.deployments) == ({}, {})


@pytest.mark.parametrize("code", ["AccessDeniedException", "ThrottlingException", "Surprise"])
def test_what_costs_nothing_does_not_fail_a_release_that_is_done(
    both: FakeBedrock, code: str
) -> None:
    both.fail("DeleteCustomModelDeployment", code)
    released = release_hosting(RELEASE, plenty)
    assert (released.kind, released.billed_minutes) == ("provisioned", 30)
    assert both.throughputs == {}


def test_a_deployment_that_cannot_go_is_no_release(active: FakeBedrock) -> None:
    active.fail("DeleteCustomModelDeployment", "ThrottlingException")
    with pytest.raises(Throttled):
        release_hosting(RELEASE, plenty)


def test_of_two_errors_the_one_that_passes_by_itself_is_raised(both: FakeBedrock) -> None:
    both.fail("DeleteProvisionedModelThroughput", "AccessDeniedException")
    both.fail("DeleteCustomModelDeployment", "ThrottlingException")
    with pytest.raises(Throttled):
        release_hosting(RELEASE, plenty)


def test_the_guard_releases_a_deployment_too(
    active: FakeBedrock, monkeypatch: pytest.MonkeyPatch
) -> None:
    states = fakes_states.install(monkeypatch, FakeStepFunctions())
    states.statuses[EXECUTION.arn] = "ABORTED"
    stopped = stop_run(StopRunRequest(execution=EXECUTION, status="ABORTED", now=LATER))
    assert stopped.release.kind == "on-demand"
    assert not active.deployments
