"""Customization jobs: from the request to the artefacts, the custom model and the event."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterable
from typing import Any

from local.bedrock import quotas
from local.bedrock.catalogue import USUAL_BATCH, ModelSpec, by_customization_id, status_of
from local.bedrock.customization import language_model
from local.bedrock.customization.datasets import DatasetRefused, read_pairs
from local.bedrock.customization.language_model import Fitted, LossPoint, TrainingPair
from local.bedrock.customization.service_role import (
    AccessMissing,
    ServiceRole,
    refuse_unassumable,
)
from local.bedrock.foundation_models import refuse_without_access, shown
from local.bedrock.pagination import listed
from local.bedrock.protocol import Conflict, NotFound, ValidationError
from local.bedrock.scenario import CurveFile
from local.bedrock.state import CustomizationJob, CustomModel, Region, split_uri
from local.bedrock.tags import refuse_tags
from local.bedrock.tokenization import count_tokens

# Field reports: about 2 h of training for 85 records and 7 epochs, 3 min of data validation. What
# training takes beside is the scenario's.
VALIDATION_MINUTES = 3.0
PROCESSING_MINUTES = 6.0
TRAINING_SECONDS_PER_RECORD_EPOCH = 4.5
_FINE_TUNING = "FINE_TUNING"
_INPUT_STATUS = (
    "fileName",
    "totalProcessedRecordCount",
    "acceptedRecordCount",
    "partiallyAcceptedRecordCount",
    "rejectedRecordCount",
)


def create(region: Region, request: dict[str, Any]) -> dict[str, Any]:
    return {"jobArn": region.once("job", request, lambda: _create(region, request))}


def _create(region: Region, request: dict[str, Any]) -> str:
    job = _add(region, request, _check(region, request))
    _tell(region, job)
    _begin(region, job, "validation")
    _later(region, job, VALIDATION_MINUTES, lambda: _validate(region, job))
    return job.arn


def _check(region: Region, request: dict[str, Any]) -> ModelSpec:
    base = _base(region, request["baseModelIdentifier"])
    _check_type(base, request.get("customizationType", _FINE_TUNING))
    for tags in (request.get("jobTags", []), request.get("customModelTags", [])):
        refuse_tags(tags)
    _check_names(region, request["jobName"], request["customModelName"])
    refuse_unassumable(region, request["roleArn"], _arn(region, request, base))
    _check_hyperparameters(base, request.get("hyperParameters", {}))
    _check_locations(region, request)
    for quota in (quotas.RUNNING_JOBS, quotas.CUSTOM_MODELS):
        quotas.refuse_beyond(region, quota)
    return base


def _base(region: Region, identifier: str) -> ModelSpec:
    base = by_customization_id(identifier)
    if base is None or region.name not in base.regions or not shown(region, base):
        raise ValidationError(f"The provided model identifier is invalid: {identifier}")
    if status_of(base, region.now(), region.scenario.legacy_models) == "LEGACY":
        raise ValidationError(
            f"{base.name} is a legacy model; new customization jobs are not allowed"
        )
    refuse_without_access(region, base)
    return base


def _check_type(base: ModelSpec, asked: str) -> None:
    if asked not in base.customizations:
        raise ValidationError(f"The customization type {asked} is not supported by {base.name}")
    if asked != _FINE_TUNING:
        raise ValidationError(f"{asked}: the offline Bedrock trains by {_FINE_TUNING} only")


def _check_names(region: Region, job_name: str, model_name: str) -> None:
    """Refuse names in use: a job's for ever, a model's from its job's start until it is deleted."""
    if any(job.name == job_name for job in region.jobs.values()):
        # Not a conflict: apache/airflow's Bedrock operator (read 2026-11-28) matches this text.
        raise ValidationError(f"The provided job name is currently in use: {job_name}")
    running = (job for job in region.jobs.values() if job.status in {"InProgress", "Stopping"})
    held = {job.request["customModelName"] for job in running}
    if model_name in held | {model.name for model in region.models.values()}:
        raise Conflict(f"The provided custom model name is in use: {model_name}")


def _check_hyperparameters(base: ModelSpec, given: dict[str, str]) -> None:
    for name, text in given.items():
        if name not in base.ranges:
            raise ValidationError(f"The hyperparameter {name} is not supported by {base.name}")
        _, low, high = base.ranges[name]
        try:
            value = float(text)
        except ValueError:
            raise ValidationError(f"The hyperparameter {name} is not a number: {text}") from None
        if not low <= value <= high:
            raise ValidationError(
                f"The hyperparameter {name} must be between {low:g} and {high:g}, got: {text}"
            )


def _check_locations(region: Region, request: dict[str, Any]) -> None:
    read = _input_uris(request)
    if any(not key or key.endswith("/") for _, key in map(split_uri, read)):
        raise ValidationError(
            "Invalid training input data configuration. Check the input data S3 Uris(Uri should be "
            "a file, not a directory) and retry request"
        )
    for uri in (*read, request["outputDataConfig"]["s3Uri"]):
        bucket, _ = split_uri(uri)
        if region.objects.bucket_region(bucket) is None:
            raise ValidationError(f"The S3 bucket of {uri} does not exist or is not accessible")


def _input_uris(request: dict[str, Any]) -> list[str]:
    training = request["trainingDataConfig"].get("s3Uri", "")
    return [training, *(validator["s3Uri"] for validator in _validators(request))]


def _validators(request: dict[str, Any]) -> list[dict[str, str]]:
    validators: list[dict[str, str]] = request.get("validationDataConfig", {}).get("validators", [])
    return validators


def _arn(region: Region, request: dict[str, Any], base: ModelSpec) -> str:
    identity = region.id_of("job", request["jobName"])
    return region.arn(f"model-customization-job/{base.customization_id}/{identity}")


def _add(region: Region, request: dict[str, Any], base: ModelSpec) -> CustomizationJob:
    arn = _arn(region, request, base)
    now = region.now()
    job = CustomizationJob(arn, request, base, region.location, created=now, changed=now)
    region.jobs[arn] = job
    region.tag(arn, request.get("jobTags", []))
    return job


def _later(
    region: Region,
    job: CustomizationJob,
    minutes: float,
    act: Callable[[], None],
    *,
    since: float | None = None,
) -> None:
    """Go on with a job that has not ended by then; it fails where `act` lacks access."""

    def go_on() -> None:
        if job.status == "InProgress" and region.jobs.get(job.arn) is job:
            try:
                act()
            except AccessMissing as error:
                _end(region, job, "Failed", str(error))

    region.later(minutes, go_on, since=since)


def _begin(region: Region, job: CustomizationJob, phase: str) -> None:
    now = region.now()
    details = job.phases[phase]
    details.status, details.began, details.changed = "InProgress", now, now
    job.changed = now


def _complete(region: Region, job: CustomizationJob, phase: str) -> None:
    details = job.phases[phase]
    details.status, details.changed = "Completed", region.now()
    job.changed = region.now()


def _validate(region: Region, job: CustomizationJob) -> None:
    ServiceRole(region, job).check(_input_uris(job.request))
    try:
        pairs = _pairs(region, job)
    except (DatasetRefused, UnicodeDecodeError) as error:
        _end(region, job, "Failed", f"The dataset is not valid: {error}")
        return
    _complete(region, job, "validation")
    _write_input_status(region, job, pairs)
    _begin(region, job, "dataProcessing")
    _later(region, job, PROCESSING_MINUTES, lambda: _process(region, job))


def _process(region: Region, job: CustomizationJob) -> None:
    _complete(region, job, "dataProcessing")
    if region.scenario.job_outcome == "stuck_not_started":
        return
    _begin(region, job, "training")
    if region.scenario.job_outcome == "stuck_training":
        return
    if region.scenario.job_outcome == "fail":
        why = "Encountered an internal error. Retry the job."
        _later(region, job, 3, lambda: _end(region, job, "Failed", why))
        return
    training, validation = _pairs(region, job)
    began = region.clock.time()  # fitting takes real time, which the job does not count
    fitted = _fit(job, training, validation)
    work = len(training) * fitted.epochs * TRAINING_SECONDS_PER_RECORD_EPOCH / 60
    minutes = region.scenario.training_minutes + work
    _later(region, job, minutes, lambda: _finish(region, job, fitted), since=began)


def _pairs(region: Region, job: CustomizationJob) -> tuple[list[TrainingPair], list[TrainingPair]]:
    base, role = job.base, ServiceRole(region, job)
    uri, *others = _input_uris(job.request)
    training = read_pairs(role.read(uri), base, "training", base.max_records)
    validation: list[TrainingPair] = []
    for uri in others:
        validation += read_pairs(role.read(uri), base, "validation", base.max_validation_records)
    _check_counts(base, len(training), len(validation))
    return training, validation


def _check_counts(base: ModelSpec, training: int, validation: int) -> None:
    total = training + validation
    for what, found, least in (
        ("training data has", training, base.min_records),
        ("validation data has", validation, base.min_validation_records if validation else 0),
        ("training and validation data have", total, base.min_total_records),
    ):
        if found < least:
            raise DatasetRefused(f"{what} {found} records, at least {least} are needed")
    if total > base.max_total_records:
        raise DatasetRefused(
            f"training and validation data have {total} records, at most "
            f"{base.max_total_records} are allowed"
        )


def _fit(
    job: CustomizationJob, training: list[TrainingPair], validation: list[TrainingPair]
) -> Fitted:
    value = _hyperparameters(job)
    stopping = None
    if "earlyStoppingPatience" in value:
        stopping = (value["earlyStoppingThreshold"], int(value["earlyStoppingPatience"]))
    return language_model.fit(
        tuple(training),
        tuple(validation),
        epochs=int(value["epochCount"]),
        batch_size=int(value.get("batchSize", job.base.default_batch)),
        rate=_rate(job.base, value),
        early_stopping=stopping,
    )


def _rate(base: ModelSpec, value: dict[str, float]) -> float:
    """Return the learning rate as a multiple of the model's own default.

    A model that learns from single records takes more steps, and smaller ones: with the root of
    its batch.
    """
    if "learningRate" not in value:
        return value["learningRateMultiplier"]
    usual, _, _ = base.ranges["learningRate"]
    return value["learningRate"] / usual * math.sqrt(base.default_batch / USUAL_BATCH)


def _hyperparameters(job: CustomizationJob) -> dict[str, float]:
    given = job.request.get("hyperParameters", {})
    return {
        name: float(given.get(name, default)) for name, (default, _, _) in job.base.ranges.items()
    }


def _finish(region: Region, job: CustomizationJob, fitted: Fitted) -> None:
    _write_metrics(region, job, fitted)
    _complete(region, job, "training")
    job.training_loss = fitted.training[-1].loss
    job.validation_loss = fitted.validation[-1].loss if fitted.validation else None
    model = _add_model(region, job, fitted)
    job.model_arn = model.arn
    tokens = sum(
        count_tokens(f"{pair.system} {pair.history} {pair.prompt} {pair.completion}")
        for pair in fitted.pairs
    )
    region.meter.train(job.base.name, tokens * fitted.epochs, job.base.usd_per_1k_training_tokens)
    _end(region, job, "Completed")


def _add_model(region: Region, job: CustomizationJob, fitted: Fitted) -> CustomModel:
    identity = job.arn.rpartition("/")[2]
    arn = job.location.arn(f"custom-model/{job.base.customization_id}/{identity}")
    model = CustomModel(arn, job.request["customModelName"], job, fitted, region.now())
    region.models[arn] = model
    region.tag(arn, job.request.get("customModelTags", []))
    return model


def _output(job: CustomizationJob) -> tuple[str, str]:
    """Return the bucket and the job's own folder in it."""
    bucket, prefix = split_uri(job.request["outputDataConfig"]["s3Uri"])
    folder = f"{prefix.strip('/')}/model-customization-job-{job.arn.rpartition('/')[2]}".lstrip("/")
    return bucket, folder


def _write_input_status(
    region: Region, job: CustomizationJob, pairs: tuple[list[TrainingPair], list[TrainingPair]]
) -> None:
    """Write the count of accepted records, by a field report of 2026-08: AWS documents none.

    What lies between `input_status/` and the file's name is not known. A dataset with a record
    that is refused fails the whole job here, so all are accepted.
    """
    rows = [
        (uri.rpartition("/")[2], len(found), len(found), 0, 0)
        for uri, found in zip(_input_uris(job.request), pairs, strict=False)
    ]
    bucket, folder = _output(job)
    report = f"{folder}/input_status/manifest.report.csv"
    ServiceRole(region, job).write(bucket, report, _csv(_INPUT_STATUS, *rows))


def _write_metrics(region: Region, job: CustomizationJob, fitted: Fitted) -> None:
    bucket, folder = _output(job)
    scenario, role = region.scenario, ServiceRole(region, job)

    def write(key: str, column: str, points: tuple[LossPoint, ...], curve: CurveFile) -> None:
        if points and curve != "missing":
            role.write(bucket, f"{folder}/{key}", _losses(column, points, curve))

    training = "training_artifacts/step_wise_training_metrics.csv"
    write(training, "training_loss", fitted.training, scenario.training_curve)
    place = f"validation_artifacts/{scenario.validation_folder}".rstrip("/")
    validation = f"{place}/validation_metrics.csv"
    write(validation, "validation_loss", fitted.validation, scenario.validation_curve)


def _losses(column: str, points: tuple[LossPoint, ...], curve: CurveFile) -> bytes:
    rows = [(point.step, point.epoch, point.loss) for point in points]
    if curve == "nan":
        rows[-1] = (*rows[-1][:2], math.nan)
    kept = [] if curve == "header_only" else rows
    whole = _csv(("step_number", "epoch_number", column), *kept)
    return {"empty": b"", "cut": whole[:-3]}.get(curve, whole)


def _csv(*rows: Iterable[Any]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def _end(region: Region, job: CustomizationJob, status: str, failure: str | None = None) -> None:
    """End the job, and the phase that it is in."""
    for phase in job.phases.values():
        if phase.status == "InProgress":
            phase.status = status
    job.status, job.failure = status, failure
    job.ended = job.changed = region.now()
    _tell(region, job)


def _tell(region: Region, job: CustomizationJob) -> None:
    """Publish a change of the job's status; the first is its creation."""
    region.publish("Model Customization Job State Change", _event(job), [job.arn])


def _event(job: CustomizationJob) -> dict[str, Any]:
    request, validators = job.request, _validators(job.request)
    return {
        "version": "0.0",
        "jobName": job.name,
        "jobArn": job.arn,
        "outputModelName": request["customModelName"],
        "outputModelArn": job.model_arn or "",
        "roleArn": request["roleArn"],
        "jobStatus": job.status,
        "failureMessage": job.failure or "",
        "creationTime": job.created,
        "lastModifiedTime": job.changed,
        "baseModelArn": job.base.arn(job.location.region),
        "hyperParameters": request.get("hyperParameters", {}),
        "trainingDataConfig": request["trainingDataConfig"],
        "outputDataConfig": request["outputDataConfig"],
        **({"endTime": job.ended} if job.ended else {}),
        **({"validationDataConfig": validators[0]} if validators else {}),
    }


def find(region: Region, identifier: str) -> CustomizationJob:
    for job in region.jobs.values():
        if identifier in (job.arn, job.name, job.arn.rpartition("/")[2]):
            return job
    raise NotFound("The provided job identifier could not be found")


def get(region: Region, asked: dict[str, Any]) -> dict[str, Any]:
    job = find(region, asked["jobIdentifier"])
    request = job.request
    values = _hyperparameters(job)
    return {
        **_described(job),
        "outputModelName": request["customModelName"],
        "outputModelArn": job.model_arn,
        "clientRequestToken": request.get("clientRequestToken"),
        "roleArn": request["roleArn"],
        "failureMessage": job.failure,
        "hyperParameters": {name: f"{value:g}" for name, value in values.items()},
        "trainingDataConfig": request["trainingDataConfig"],
        "validationDataConfig": request.get("validationDataConfig", {"validators": []}),
        "outputDataConfig": request["outputDataConfig"],
        "outputModelKmsKeyArn": request.get("customModelKmsKeyId"),
        "trainingMetrics": {"trainingLoss": job.training_loss} if job.training_loss else None,
        "validationMetrics": (
            [{"validationLoss": job.validation_loss}] if job.validation_loss else None
        ),
    }


def _details(job: CustomizationJob) -> dict[str, Any]:
    return {
        f"{name}Details": {
            "status": phase.status,
            "creationTime": phase.began,
            "lastModifiedTime": phase.changed,
        }
        for name, phase in job.phases.items()
    }


def list_jobs(region: Region, request: dict[str, Any]) -> dict[str, Any]:
    return listed(region, request, "modelCustomizationJobSummaries", region.jobs, _summary)


def _described(job: CustomizationJob) -> dict[str, Any]:
    return {
        "jobArn": job.arn,
        "jobName": job.name,
        "baseModelArn": job.base.arn(job.location.region),
        "status": job.status,
        "statusDetails": _details(job),
        "creationTime": job.created,
        "lastModifiedTime": job.changed,
        "endTime": job.ended,
        "customizationType": _FINE_TUNING,
    }


def _summary(job: CustomizationJob) -> dict[str, Any]:
    made = {"customModelArn": job.model_arn, "customModelName": job.request["customModelName"]}
    return {**_described(job), **made}


def stop(region: Region, request: dict[str, Any]) -> dict[str, Any]:
    job = find(region, request["jobIdentifier"])
    if job.status not in {"InProgress", "Stopping"}:
        raise Conflict(f"The job is {job.status} and cannot be stopped")
    if job.status == "InProgress":
        job.status, job.changed = "Stopping", region.now()
        _tell(region, job)
        region.later(1, lambda: _stopped(region, job))
    return {}


def _stopped(region: Region, job: CustomizationJob) -> None:
    if job.status == "Stopping":
        _end(region, job, "Stopped")
