from __future__ import annotations

import ast
import json
from datetime import timedelta

import pytest

from lambdas.domain.cost.quote import HOSTING
from lambdas.domain.errors import (
    AccessDenied,
    DatasetInvalid,
    HostingBusy,
    HostingFailed,
    QuotaExceeded,
    RequestRefused,
    ServiceUnavailable,
    Throttled,
)
from lambdas.domain.hosting.answering import check_questions
from lambdas.domain.hosting.course import release_by
from lambdas.domain.hosting.throughput import wait_seconds
from lambdas.domain.run.contracts import (
    CheckHostingRequest,
    GiveBackRequest,
    HostModelRequest,
    Release,
    StopRunRequest,
)
from lambdas.handlers.buy_throughput import buy_throughput
from lambdas.handlers.check_throughput import check_throughput
from lambdas.handlers.release_hosting import release_hosting
from lambdas.handlers.stop_run import stop_run
from tests.factories import EXECUTION, NAMES, NOW, PREFIX, dataset, hosting, run, training
from tests.fakes import s3 as fakes_s3
from tests.fakes import step_functions as fakes_states
from tests.fakes.bedrock import FakeBedrock, install
from tests.fakes.function import plenty
from tests.fakes.s3 import BUCKET, FakeS3, client_error
from tests.fakes.step_functions import FakeStepFunctions
from tests.repository import ROOT

BUY = HostModelRequest(run=run(hold_minutes=15), now=NOW, dataset=dataset(), training=training())
LATER = NOW + timedelta(minutes=30)
RELEASE = GiveBackRequest.model_validate({"run": run().model_dump(), "now": LATER})
STOP = StopRunRequest(execution=EXECUTION, status="ABORTED", now=LATER)
NAME = NAMES.hosting
NOTE = f"{PREFIX}/billing/provisioned-throughput.json"


@pytest.fixture(autouse=True)
def states(monkeypatch: pytest.MonkeyPatch) -> FakeStepFunctions:
    fake = fakes_states.install(monkeypatch, FakeStepFunctions())
    fake.statuses[EXECUTION.arn] = "ABORTED"
    return fake


@pytest.fixture
def bedrock(monkeypatch: pytest.MonkeyPatch) -> FakeBedrock:
    monkeypatch.setenv("ENVIRONMENT", "dev")
    monkeypatch.setenv("ARTEFACT_BUCKET", BUCKET)
    fake = FakeBedrock(NOW)
    install(monkeypatch, bedrock=fake)
    fakes_s3.install(monkeypatch, FakeS3())
    return fake


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> FakeS3:
    return fakes_s3.install(monkeypatch, FakeS3())


@pytest.fixture
def bought(bedrock: FakeBedrock) -> FakeBedrock:
    bedrock.throughputs[NAME] = bedrock.throughput(NAME, "InService")
    return bedrock


def check(*, minutes: float = 10) -> CheckHostingRequest:
    now = NOW + timedelta(minutes=minutes)
    return CheckHostingRequest(run=run(), now=now, hosting=hosting())


@pytest.mark.parametrize(
    ("age_minutes", "seconds"), [(0, 45), (7.9, 45), (8, 15), (39.9, 15), (40, 45), (240, 45)]
)
def test_waits_are_tight_when_throughput_is_due(age_minutes: float, seconds: int) -> None:
    assert wait_seconds(age_minutes) == seconds


def test_buys_once_without_commitment_and_tagged(bedrock: FakeBedrock) -> None:
    first = buy_throughput(BUY)
    again = buy_throughput(BUY)
    assert first == again
    assert (first.kind, first.done, first.created_at) == ("provisioned", False, NOW)
    (request,) = bedrock.called("CreateProvisionedModelThroughput")
    assert request == {
        "clientRequestToken": NAMES.client_token,
        "modelUnits": 1,
        "provisionedModelName": NAME,
        "modelId": training().custom_model_arn,
        "tags": [
            {"key": "bedrock-tuning:environment", "value": "dev"},
            {"key": "bedrock-tuning:run", "value": NAMES.run},
            {"key": "bedrock-tuning:execution", "value": EXECUTION.arn},
            {"key": "bedrock-tuning:release-by", "value": "2026-11-23T11:45:00+00:00"},
        ],
    }


def test_it_notes_since_when_it_may_bill_before_it_buys(
    bedrock: FakeBedrock, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3 = fakes_s3.install(monkeypatch, FakeS3())
    bedrock.fail("CreateProvisionedModelThroughput", "ThrottlingException")
    with pytest.raises(Throttled):
        buy_throughput(BUY)
    buy_throughput(BUY.model_copy(update={"now": LATER}))
    [note] = s3.objects.values()
    assert json.loads(note) == {"kind": HOSTING, "since": NOW.isoformat()}, "the first attempt's"


def test_it_does_not_buy_what_it_cannot_note(
    bedrock: FakeBedrock, monkeypatch: pytest.MonkeyPatch
) -> None:
    fakes_s3.install(monkeypatch, FakeS3()).failure = client_error("AccessDenied", 403)
    with pytest.raises(AccessDenied):
        buy_throughput(BUY)
    assert bedrock.called("CreateProvisionedModelThroughput") == []


def test_release_by_leaves_time_for_provisioning_hold_and_a_margin() -> None:
    for questions, margin in ((24, 60), (2160, 60), (40_000, 833 + 15)):
        least = release_by(BUY.run, "provisioned", questions, NOW) - NOW
        assert least // timedelta(minutes=1) == 60 + 15 + margin


def test_more_questions_than_a_model_is_hosted_for_are_refused() -> None:
    check_questions(40_320)
    with pytest.raises(DatasetInvalid, match=r"40,321 .* more than the 40,320 .* keep a sample"):
        check_questions(40_321)


def test_a_limit_of_requests_gives_the_answers_their_time_or_refuses_them() -> None:
    """Llama 3.3 70B on demand takes four a minute: 2,000 questions take more than eight hours."""
    llama = run(model="llama-3-3-70b", keep_hours=0)
    least = release_by(llama, "on-demand", 2_000, NOW) - NOW
    assert least // timedelta(minutes=1) == 60 + 500 + 15
    check_questions(3_360, 4)
    with pytest.raises(DatasetInvalid, match=r"3,361 .* more than the 3,360 "):
        check_questions(3_361, 4)


@pytest.mark.slow
def test_no_code_can_ask_for_a_commitment() -> None:
    for path in ROOT.glob("lambdas/**/*.py"):
        said = {name for node in ast.walk(ast.parse(path.read_text())) for name in _members(node)}
        assert "commitmentDuration" not in said, path


def _members(node: ast.AST) -> list[object]:
    """Return what a piece of code puts into a request, not what it reads from an answer."""
    match node:
        case ast.keyword(arg=name):
            return [name]
        case ast.Dict(keys=keys):
            return [key.value for key in keys if isinstance(key, ast.Constant)]
        case ast.Subscript(slice=ast.Constant(value=name), ctx=ast.Store()):
            return [name]
    return []


def test_a_purchase_without_quota_says_which_and_how_to_ask(
    bedrock: FakeBedrock, s3: FakeS3
) -> None:
    bedrock.fail("CreateProvisionedModelThroughput", "ServiceQuotaExceededException")
    with pytest.raises(QuotaExceeded) as caught:
        buy_throughput(BUY)
    message = str(caught.value)
    assert "L-BE77399C" in message
    assert "Model units per provisioned model for Claude 3 Haiku" in message
    assert "https://us-west-2.console.aws.amazon.com/servicequotas" in message
    assert json.loads(s3.objects[NOTE])["refused"]


def test_a_throttled_purchase_is_named_for_the_retry(bedrock: FakeBedrock) -> None:
    bedrock.fail("CreateProvisionedModelThroughput", "ThrottlingException")
    with pytest.raises(Throttled):
        buy_throughput(BUY)


@pytest.mark.parametrize(
    ("status", "ready"), [("Creating", False), ("Updating", False), ("InService", True)]
)
def test_check_tells_whether_it_is_in_service(
    bedrock: FakeBedrock, status: str, *, ready: bool
) -> None:
    bedrock.throughputs[NAME] = bedrock.throughput(NAME, status)
    found = check_throughput(check())
    assert (found.done, found.age_minutes) == (ready, 10)


def test_check_raises_bedrocks_own_message(bedrock: FakeBedrock) -> None:
    bedrock.throughputs[NAME] = bedrock.throughput(NAME, "Failed", failureMessage="No capacity.")
    with pytest.raises(HostingFailed, match=r"failed: No capacity\. Try again later"):
        check_throughput(check())


def test_check_gives_up_after_max_provisioning_minutes(bedrock: FakeBedrock) -> None:
    bedrock.throughputs[NAME] = bedrock.throughput(NAME)
    assert not check_throughput(check(minutes=60)).done
    with pytest.raises(HostingFailed, match="max_provisioning_minutes = 60"):
        check_throughput(check(minutes=60.1))


def test_throughput_that_came_late_is_used_all_the_same(bought: FakeBedrock) -> None:
    assert check_throughput(check(minutes=90)).done
    assert bought.throughputs


def test_check_of_a_throughput_that_is_gone(bedrock: FakeBedrock) -> None:
    """It counts as gone when it was not found for five minutes."""
    assert not bedrock.throughputs
    first = check_throughput(check(minutes=1))
    assert not first.done
    assert first.wait_seconds <= 15
    second = check_throughput(check(minutes=5).model_copy(update={"hosting": first}))
    with pytest.raises(HostingFailed, match="is gone"):
        check_throughput(check(minutes=6).model_copy(update={"hosting": second}))


def test_one_stale_answer_is_forgotten(bedrock: FakeBedrock) -> None:
    missing = check_throughput(check(minutes=1))
    bedrock.throughputs[NAME] = bedrock.throughput(NAME)
    found = check_throughput(check(minutes=9).model_copy(update={"hosting": missing}))
    assert found.missing_since is None
    bedrock.throughputs.clear()
    assert not check_throughput(check(minutes=10).model_copy(update={"hosting": found})).done


def test_release_deletes_and_tells_the_minutes(bought: FakeBedrock) -> None:
    arn = bought.throughputs[NAME]["provisionedModelArn"]
    assert release_hosting(RELEASE, plenty) == Release(
        found=True, kind="provisioned", hosting_arn=arn, billed_minutes=30, at=LATER
    )
    assert not bought.throughputs


def test_a_release_that_had_to_wait_has_billed_until_aws_deleted(bought: FakeBedrock) -> None:
    deleted_at = LATER + timedelta(minutes=45)
    bought.answered_at = deleted_at
    assert release_hosting(RELEASE, plenty).billed_minutes == 75


@pytest.mark.parametrize("unknown", ["ResourceNotFoundException", "ValidationException"])
def test_what_is_not_found_has_billed_until_aws_said_so(bedrock: FakeBedrock, unknown: str) -> None:
    """The state had to ask for most of an hour; then somebody else had deleted it."""
    bedrock.unknown = unknown
    bedrock.answered_at = LATER + timedelta(minutes=45)
    released = release_hosting(RELEASE, plenty)
    assert (released.found, released.at) == (False, bedrock.answered_at)


def test_a_release_is_noted_for_the_bill_of_a_run_that_is_stopped_after_it(
    bought: FakeBedrock, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3 = fakes_s3.install(monkeypatch, FakeS3())
    released = release_hosting(RELEASE, plenty)
    assert released == Release.model_validate_json(s3.objects[f"{PREFIX}/released.json"])
    release_hosting(RELEASE.model_copy(update={"now": LATER + timedelta(hours=1)}), plenty)
    assert released == Release.model_validate_json(s3.objects[f"{PREFIX}/released.json"])
    assert not bought.throughputs


@pytest.mark.parametrize("failure", [client_error("AccessDenied", 403), RuntimeError("any")])
def test_a_release_that_cannot_be_noted_is_one(
    bought: FakeBedrock, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    fakes_s3.install(monkeypatch, FakeS3()).failure = failure
    assert release_hosting(RELEASE, plenty).billed_minutes == 30
    assert not bought.throughputs


def test_a_release_for_whose_note_no_time_is_left_is_one(
    bought: FakeBedrock, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3 = fakes_s3.install(monkeypatch, FakeS3())
    assert release_hosting(RELEASE, lambda: 40).billed_minutes == 30
    assert (bought.throughputs, s3.objects) == ({}, {})


def test_no_date_of_an_answer_fails_a_release(bought: FakeBedrock) -> None:
    bought.answered_at = LATER.replace(tzinfo=None)  # "-0000": of no zone
    assert release_hosting(RELEASE, plenty).at == LATER
    assert release_hosting(RELEASE, plenty).at == LATER, "nor that of one that finds nothing"


def test_nothing_to_release_is_success(bedrock: FakeBedrock) -> None:
    assert not bedrock.throughputs
    assert release_hosting(RELEASE, plenty) == Release(
        found=False, hosting_arn=None, billed_minutes=None, at=LATER
    )


def test_a_release_that_somebody_else_has_made_meanwhile_is_success(bought: FakeBedrock) -> None:
    bought.fail("DeleteProvisionedModelThroughput", "ResourceNotFoundException")
    released = release_hosting(RELEASE, plenty)
    assert (released.found, released.billed_minutes) == (False, None)


@pytest.mark.parametrize(
    "code", ["ThrottlingException", "AccessDeniedException", "ValidationException", "Surprise"]
)
def test_release_deletes_even_what_it_cannot_look_at(bought: FakeBedrock, code: str) -> None:
    bought.fail("GetProvisionedModelThroughput", code)
    assert release_hosting(RELEASE, plenty).found
    assert not bought.throughputs


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        ("InService", "ConflictException", HostingBusy),
        ("Creating", "ConflictException", HostingBusy),
        ("Creating", "ValidationException", HostingBusy),
        ("InService", "ValidationException", RequestRefused),
        ("InService", "ThrottlingException", Throttled),
        ("InService", "InternalServerException", ServiceUnavailable),
        ("InService", "AccessDeniedException", AccessDenied),
    ],
)
def test_release_names_what_the_machine_retries(
    bedrock: FakeBedrock, status: str, code: str, error: type[Exception]
) -> None:
    bedrock.throughputs[NAME] = bedrock.throughput(NAME, status)
    bedrock.fail("DeleteProvisionedModelThroughput", code)
    with pytest.raises(error, match="delete"):
        release_hosting(RELEASE, plenty)


def test_the_guard_stops_the_job_and_releases_by_recomputed_names(bought: FakeBedrock) -> None:
    bought.jobs[NAMES.job] = bought.job(NAMES.job)
    stopped = stop_run(STOP)
    assert (stopped.job_stopped, stopped.release.billed_minutes) == (True, 30)
    assert bought.jobs[NAMES.job]["status"] == "Stopping"
    assert not bought.throughputs


def test_the_guard_ends_nothing_of_an_execution_that_is_under_way_again(
    bought: FakeBedrock, states: FakeStepFunctions
) -> None:
    """It was redriven, its name was used again, or the event came late or twice."""
    bought.jobs[NAMES.job] = bought.job(NAMES.job)
    states.statuses[EXECUTION.arn] = "RUNNING"
    stopped = stop_run(STOP)
    assert (stopped.execution_status, stopped.under_way) == ("RUNNING", True)
    assert not stopped.release.found
    assert bought.calls == []
    states.statuses[EXECUTION.arn] = "FAILED"
    assert stop_run(STOP).release.found


def test_an_execution_that_is_gone_is_over(bought: FakeBedrock, states: FakeStepFunctions) -> None:
    """Its machine was removed, or it ended more than 90 days ago."""
    states.statuses.clear()
    assert (stop_run(STOP).execution_status, stop_run(STOP).under_way) == ("gone", False)
    assert not bought.throughputs


@pytest.mark.parametrize(
    ("code", "error"), [("ThrottlingException", Throttled), ("AccessDeniedException", AccessDenied)]
)
def test_a_guard_that_cannot_ask_ends_nothing_and_asks_again(
    bought: FakeBedrock, states: FakeStepFunctions, code: str, error: type[Exception]
) -> None:
    states.fail("DescribeExecution", code)
    with pytest.raises(error):
        stop_run(STOP)
    assert bought.calls == []
    assert stop_run(STOP).release.found


def test_the_guard_finds_nothing_to_do(bedrock: FakeBedrock) -> None:
    stopped = stop_run(STOP)
    assert (stopped.job_stopped, stopped.release.found) == (False, False)
    assert len(bedrock.calls) == 5  # three looks, and a delete of each kind by name


def test_the_guard_releases_although_the_job_cannot_be_stopped(bought: FakeBedrock) -> None:
    bought.fail("GetModelCustomizationJob", "AccessDeniedException")
    with pytest.raises(AccessDenied):
        stop_run(STOP)
    assert not bought.throughputs


def test_the_guard_stops_the_job_although_the_release_fails(bought: FakeBedrock) -> None:
    bought.jobs[NAMES.job] = bought.job(NAMES.job)
    bought.fail("DeleteProvisionedModelThroughput", "ConflictException")
    with pytest.raises(HostingBusy):
        stop_run(STOP)
    assert bought.jobs[NAMES.job]["status"] == "Stopping"
    assert stop_run(STOP).release.found


def test_of_two_errors_the_guard_raises_the_one_that_passes_by_itself(bought: FakeBedrock) -> None:
    bought.fail("DeleteProvisionedModelThroughput", "AccessDeniedException")
    bought.fail("GetModelCustomizationJob", "ThrottlingException")
    with pytest.raises(Throttled):
        stop_run(STOP)


def test_the_guard_releases_what_bills_first(bought: FakeBedrock) -> None:
    stop_run(STOP)
    [release, job] = [
        next(at for at, (name, _) in enumerate(bought.calls) if name == operation)
        for operation in ("DeleteProvisionedModelThroughput", "GetModelCustomizationJob")
    ]
    assert release < job


def test_what_an_invalid_name_says_nothing_about_is_looked_up_in_the_list(
    bedrock: FakeBedrock,
) -> None:
    bedrock.unknown = "ValidationException"
    assert not release_hosting(RELEASE, plenty).found
    assert buy_throughput(BUY) == buy_throughput(BUY)
    assert len(bedrock.called("CreateProvisionedModelThroughput")) == 1
    assert release_hosting(RELEASE, plenty).found


def test_a_refused_deletion_of_what_the_list_has_is_no_release(bought: FakeBedrock) -> None:
    bought.fail("GetProvisionedModelThroughput", "AccessDeniedException")
    bought.fail("DeleteProvisionedModelThroughput", "ValidationException")
    with pytest.raises(RequestRefused):
        release_hosting(RELEASE, plenty)
