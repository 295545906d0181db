from __future__ import annotations

import json
from datetime import datetime, timedelta
from unittest.mock import Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.domain.errors import (
    AccessDenied,
    DatasetChanged,
    QuotaExceeded,
    RequestRefused,
    Throttled,
    TrainingFailed,
    TrainingStopped,
    TrainingStuck,
    TrainingTimedOut,
)
from lambdas.domain.run.contracts import (
    CheckTrainingRequest,
    FrozenFile,
    StartTrainingRequest,
    TrainingStop,
)
from lambdas.domain.training.jobs import (
    SHORTEST_WAIT_SECONDS,
    Job,
    Phase,
    overdue,
    training_of,
    wait_seconds,
)
from lambdas.handlers.check_training import check_training
from lambdas.handlers.start_training import start_training
from lambdas.handlers.stop_training import stop_training
from tests.factories import (
    EXECUTION,
    FROZEN,
    FROZEN_OBJECTS,
    NAMES,
    NOW,
    PREFIX,
    QUOTED,
    dataset,
    run,
    training,
)
from tests.fakes import s3 as fakes_s3
from tests.fakes.bedrock import FakeBedrock, install
from tests.fakes.s3 import FakeS3, client_error

ROLE = "arn:aws:iam::123456789012:role/bedrock"
REQUEST = StartTrainingRequest(run=run(), now=NOW, dataset=dataset(), quote=QUOTED)


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> FakeS3:
    return fakes_s3.install(monkeypatch, FakeS3(frozen=FROZEN_OBJECTS))


@pytest.fixture
def bedrock(monkeypatch: pytest.MonkeyPatch, s3: FakeS3) -> FakeBedrock:
    assert s3.objects
    monkeypatch.setenv("SERVICE_ROLE_ARN", ROLE)
    monkeypatch.delenv("MODEL_KMS_KEY_ARN", raising=False)
    fake = FakeBedrock(NOW)
    install(monkeypatch, bedrock=fake)
    return fake


def hours(count: float) -> timedelta:
    return timedelta(hours=count)


def detail(status: str, began: datetime, changed: datetime | None = None) -> dict[str, object]:
    return {"status": status, "creationTime": began, "lastModifiedTime": changed or began}


def check(*, at: datetime = NOW, **changes: object) -> CheckTrainingRequest:
    return CheckTrainingRequest(run=run(**changes), now=at, training=training())


@pytest.mark.parametrize(
    ("age_minutes", "seconds"),
    [(0, 30), (5, 30), (10, 60), (25, 150), (50, 300), (120, 300), (600, 720), (9000, 1800)],
)
def test_waits_grow_with_the_jobs_age(age_minutes: float, seconds: int) -> None:
    assert wait_seconds(age_minutes) == seconds


@given(st.floats(0, 1e6), st.floats(0, 1e6))
def test_waits_never_shrink_and_stay_in_bounds(one: float, other: float) -> None:
    earlier, later = sorted((one, other))
    assert 30 <= wait_seconds(earlier) <= wait_seconds(later) <= 1800


def test_a_week_of_looks_fits_the_history_of_an_execution() -> None:
    age_minutes, looks = 0.0, 0
    while age_minutes < 168 * 60:
        age_minutes += wait_seconds(age_minutes) / 60
        looks += 1
    events_per_look = 9  # wait, task and choice
    assert looks * events_per_look < 10_000  # of 25,000, half of which a slow throughput needs


def test_the_phase_is_the_first_that_is_not_over() -> None:
    job = Job(
        arn="arn",
        name="job",
        status="InProgress",
        created_at=NOW - hours(3),
        phases={
            "Validation": Phase("Completed", NOW - hours(3), NOW - hours(2.5)),
            "Data processing": Phase("Completed", NOW - hours(2.5), NOW - hours(2)),
            "Training": Phase("NotStarted", None, None),
        },
    )
    found = training_of(job, NOW)
    assert (found.phase, found.phase_status) == ("Training", "NotStarted")
    assert (found.phase_age_minutes, found.age_minutes) == (120, 180)
    assert (found.status, found.done) == ("InProgress", False)


def test_a_phase_counts_from_its_own_beginning() -> None:
    training_phase = Phase("InProgress", NOW - hours(1), NOW)
    job = Job("arn", "job", "InProgress", NOW - hours(9), phases={"Training": training_phase})
    assert training_of(job, NOW).phase_age_minutes == 60


def test_a_job_without_details_trains_since_its_creation() -> None:
    found = training_of(Job("arn", "job", "InProgress", NOW - hours(1)), NOW)
    assert (found.phase, found.phase_status, found.phase_age_minutes) == (
        "Training",
        "InProgress",
        60,
    )


def test_a_completed_job_stops_ageing() -> None:
    job = Job("arn", "job", "Completed", NOW - hours(5), NOW - hours(3), "model-arn")
    found = training_of(job, NOW)
    assert (found.done, found.age_minutes, found.custom_model_arn) == (True, 120, "model-arn")
    assert overdue(found, run(max_training_hours=1)) is None


def test_a_clock_that_runs_behind_makes_no_negative_age() -> None:
    assert training_of(Job("arn", "job", "InProgress", NOW + hours(1)), NOW).age_minutes == 0


def test_start_creates_no_job_whose_bill_it_cannot_begin(
    bedrock: FakeBedrock, s3: FakeS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as denied:
        denied.setattr(s3, "put_object", Mock(side_effect=client_error("AccessDenied", 403)))
        with pytest.raises(AccessDenied):
            start_training(REQUEST)
    assert bedrock.called("CreateModelCustomizationJob") == []
    start_training(REQUEST)
    assert f"{PREFIX}/billing/training.json" in s3.objects


def test_start_creates_the_job_with_the_runs_names(bedrock: FakeBedrock) -> None:
    started = start_training(REQUEST)
    assert (started.status, started.phase, started.done) == ("InProgress", "Validation", False)
    (request,) = bedrock.called("CreateModelCustomizationJob")
    tags = [
        {"key": "bedrock-tuning:environment", "value": "dev"},
        {"key": "bedrock-tuning:run", "value": NAMES.run},
        {"key": "bedrock-tuning:execution", "value": EXECUTION.arn},
    ]
    bucket = f"s3://{run().bucket}"
    assert request == {
        "jobName": NAMES.job,
        "customModelName": NAMES.custom_model,
        "clientRequestToken": NAMES.client_token,
        "roleArn": ROLE,
        "baseModelIdentifier": "anthropic.claude-3-haiku-20240307-v1:0:200k",
        "customizationType": "FINE_TUNING",
        "hyperParameters": QUOTED.hyperparameters,
        "trainingDataConfig": {"s3Uri": f"{bucket}/runs/{NAMES.run}/dataset/training.jsonl"},
        "validationDataConfig": {
            "validators": [{"s3Uri": f"{bucket}/runs/{NAMES.run}/dataset/validation.jsonl"}]
        },
        "outputDataConfig": {"s3Uri": f"{bucket}/runs/{NAMES.run}/training/"},
        "jobTags": tags,
        "customModelTags": tags,
    }


def test_start_tags_with_the_environments_own_tags_too(bedrock: FakeBedrock) -> None:
    own = {"cost-center": "4711", "bedrock-tuning:environment": "another"}
    start_training(REQUEST.model_copy(update={"run": run(tags=own)}))
    (request,) = bedrock.called("CreateModelCustomizationJob")
    for tags in (request["jobTags"], request["customModelTags"]):
        found = {each["key"]: each["value"] for each in tags}
        assert found["cost-center"] == "4711"
        assert found["bedrock-tuning:environment"] == "dev", "by which reaper and roles go"


def test_start_without_validation_set_and_with_a_key(
    bedrock: FakeBedrock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODEL_KMS_KEY_ARN", "key-arn")
    without = dataset(files=[each for each in FROZEN if each.kind != "validation"])
    start_training(REQUEST.model_copy(update={"dataset": without}))
    (request,) = bedrock.called("CreateModelCustomizationJob")
    assert request["customModelKmsKeyId"] == "key-arn"
    assert "validationDataConfig" not in request


@pytest.mark.parametrize("file", FROZEN, ids=lambda each: each.kind)
@pytest.mark.parametrize("change", ["replaced", "replaced by a copy", "removed"])
def test_start_trains_nothing_else_than_what_was_approved(
    s3: FakeS3, bedrock: FakeBedrock, file: FrozenFile, change: str
) -> None:
    if change == "replaced":
        s3.objects[file.key] += b"\n"
    elif change == "removed":
        del s3.objects[file.key]
    else:
        s3.freeze(file.key, b"of another dataset")
    with pytest.raises(DatasetChanged, match=f"{file.key} is no longer .* and was {file.sha256}"):
        start_training(REQUEST)
    assert not bedrock.called("CreateModelCustomizationJob")


def test_start_again_finds_the_job_of_the_first_try(bedrock: FakeBedrock) -> None:
    first = start_training(REQUEST)
    again = start_training(REQUEST)
    assert again.job_arn == first.job_arn
    assert len(bedrock.called("CreateModelCustomizationJob")) == 1


@pytest.mark.parametrize("code", ["ConflictException", "ValidationException"])
def test_start_takes_the_job_that_a_racing_try_has_made(bedrock: FakeBedrock, code: str) -> None:
    bedrock.jobs[NAMES.job] = bedrock.job(NAMES.job, clientRequestToken=NAMES.client_token)
    bedrock.fail("GetModelCustomizationJob", "ResourceNotFoundException")
    bedrock.fail("CreateModelCustomizationJob", code)
    assert start_training(REQUEST).job_arn == bedrock.jobs[NAMES.job]["jobArn"]


@pytest.mark.parametrize("code", ["ConflictException", "ValidationException"])
def test_start_takes_nobody_elses_job(bedrock: FakeBedrock, code: str) -> None:
    bedrock.jobs[NAMES.job] = bedrock.job(NAMES.job, clientRequestToken="another")
    with pytest.raises(RequestRefused, match="was not started by this run"):
        start_training(REQUEST)
    bedrock.fail("GetModelCustomizationJob", "ResourceNotFoundException")
    bedrock.fail("CreateModelCustomizationJob", code)
    with pytest.raises(RequestRefused, match="was not started by this run"):
        start_training(REQUEST)


def test_start_asks_the_list_where_an_unknown_name_is_invalid(bedrock: FakeBedrock) -> None:
    bedrock.unknown = "ValidationException"
    first = start_training(REQUEST)
    assert start_training(REQUEST).job_arn == first.job_arn
    assert len(bedrock.called("CreateModelCustomizationJob")) == 1
    bedrock.jobs.clear()
    assert stop_training(REQUEST) == TrainingStop(stopped=False, status=None)


def test_a_job_that_the_list_has_is_described_by_its_arn(bedrock: FakeBedrock) -> None:
    bedrock.jobs[NAMES.job] = bedrock.job(NAMES.job)
    bedrock.fail("GetModelCustomizationJob", "ValidationException")
    assert stop_training(REQUEST).stopped


def test_start_refuses_a_name_that_is_taken_by_something_else(bedrock: FakeBedrock) -> None:
    bedrock.fail("CreateModelCustomizationJob", "ConflictException")
    with pytest.raises(RequestRefused, match=r"taken.*Start a new execution"):
        start_training(REQUEST)


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("ThrottlingException", Throttled),
        ("AccessDeniedException", AccessDenied),
        ("ServiceQuotaExceededException", QuotaExceeded),
        ("ValidationException", RequestRefused),
    ],
)
def test_start_names_the_services_errors(
    bedrock: FakeBedrock, s3: FakeS3, code: str, error: type[Exception]
) -> None:
    bedrock.fail("CreateModelCustomizationJob", code)
    with pytest.raises(error, match=f"create customization job {NAMES.job}"):
        start_training(REQUEST)
    note = json.loads(s3.objects[f"{PREFIX}/billing/training.json"])
    assert ("refused" in note) is (error is not Throttled), "then nothing is billed"


def test_check_tells_phase_and_wait(bedrock: FakeBedrock) -> None:
    details = {
        "validationDetails": detail("Completed", NOW, NOW + timedelta(minutes=3)),
        "dataProcessingDetails": detail("InProgress", NOW + timedelta(minutes=3)),
        "trainingDetails": {},
    }
    bedrock.jobs[NAMES.job] = bedrock.job(NAMES.job, statusDetails=details)
    found = check_training(check(at=NOW + timedelta(minutes=20)))
    assert (found.phase, found.phase_age_minutes, found.wait_seconds) == (
        "Data processing",
        17,
        120,
    )


def test_check_raises_bedrocks_own_message(bedrock: FakeBedrock) -> None:
    bedrock.jobs[NAMES.job] = bedrock.job(
        NAMES.job,
        "Failed",
        failureMessage="Encountered an internal error.",
        endTime=NOW + timedelta(minutes=4),
    )
    with pytest.raises(TrainingFailed, match=r"after 4 min: Encountered an internal error\. Fix"):
        check_training(check())


@pytest.mark.parametrize("status", ["Stopping", "Stopped"])
def test_check_says_that_somebody_stopped_it(bedrock: FakeBedrock, status: str) -> None:
    bedrock.jobs[NAMES.job] = bedrock.job(NAMES.job, status)
    with pytest.raises(TrainingStopped, match=f"is {status.lower()}"):
        check_training(check())


def test_check_of_a_job_that_is_gone(bedrock: FakeBedrock) -> None:
    """It counts as gone when it was not found for five minutes."""
    assert not bedrock.jobs
    first = check_training(check())
    assert first.wait_seconds == SHORTEST_WAIT_SECONDS
    again = check(at=NOW + timedelta(minutes=5)).model_copy(update={"training": first})
    with pytest.raises(TrainingFailed, match="no longer knows"):
        check_training(again)


@pytest.mark.parametrize(
    ("age", "error"), [(6.1, TrainingStuck), (24.1, TrainingTimedOut), (6, None)]
)
def test_check_stops_a_job_that_takes_too_long(
    bedrock: FakeBedrock, age: float, error: type[Exception] | None
) -> None:
    bedrock.jobs[NAMES.job] = bedrock.job(NAMES.job)
    request = check(at=NOW + hours(age))
    if error is None:
        assert not check_training(request).done
    else:
        with pytest.raises(error, match="has been stopped"):
            check_training(request)
    assert (bedrock.jobs[NAMES.job]["status"] == "Stopping") == (error is not None)


def test_stop_stops_what_runs(bedrock: FakeBedrock) -> None:
    bedrock.jobs[NAMES.job] = bedrock.job(NAMES.job)
    assert stop_training(REQUEST) == TrainingStop(stopped=True, status="InProgress")
    assert bedrock.jobs[NAMES.job]["status"] == "Stopping"


def test_stop_is_content_with_what_is_over_or_never_was(bedrock: FakeBedrock) -> None:
    assert stop_training(REQUEST) == TrainingStop(stopped=False, status=None)
    bedrock.jobs[NAMES.job] = bedrock.job(NAMES.job, "Completed")
    assert stop_training(REQUEST) == TrainingStop(stopped=False, status="Completed")


def test_stop_is_content_with_a_job_that_ends_meanwhile(bedrock: FakeBedrock) -> None:
    bedrock.jobs[NAMES.job] = bedrock.job(NAMES.job)
    bedrock.fail("StopModelCustomizationJob", "ConflictException")
    assert not stop_training(REQUEST).stopped


def test_stop_passes_on_what_is_worth_a_retry(bedrock: FakeBedrock) -> None:
    bedrock.fail("GetModelCustomizationJob", "ThrottlingException")
    with pytest.raises(Throttled):
        stop_training(REQUEST)
