"""Bedrock's model customization jobs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from lambdas.aws.clients import client, code_of, translated
from lambdas.aws.named_resources import NamedResources
from lambdas.domain.errors import RequestRefused
from lambdas.domain.run.contracts import Run, StartTrainingRequest, TrainingStop
from lambdas.domain.run.tags import tags_of
from lambdas.domain.training.jobs import Job, Phase

_DETAILS = {
    "Validation": "validationDetails",
    "Data processing": "dataProcessingDetails",
    "Training": "trainingDetails",
}


@dataclass(frozen=True)
class CustomizationJobs:
    """The account's jobs; each method raises the named errors of `translated`."""

    bedrock: Any = field(default_factory=lambda: client("bedrock"))

    def find(self, name_or_arn: str) -> Job | None:
        """Return the job, or None if there is none."""
        found = _JOBS.find(self.bedrock, name_or_arn)
        return found and _job(found)

    def stop(self, arn: str) -> bool:
        """Stop the job; False if it was already over."""
        try:
            with translated(f"stop customization job {arn}"):
                self.bedrock.stop_model_customization_job(jobIdentifier=arn)
        except ClientError as error:
            if code_of(error) in {"ResourceNotFoundException", "ConflictException"}:
                return False
            raise
        return True

    def stop_by_name(self, name: str) -> TrainingStop:
        """Stop the job called `name` if it runs; nothing to stop is success."""
        job = self.find(name)
        if job is None:
            return TrainingStop(stopped=False, status=None)
        return TrainingStop(stopped=job.is_running and self.stop(job.arn), status=job.status)

    def start(
        self, asked: StartTrainingRequest, *, base_model_id: str, role_arn: str, kms_key_arn: str
    ) -> Job | str:
        """Return the run's own job if it exists, otherwise the ARN of a new one.

        An empty `kms_key_arn` means AWS's own key.
        """
        run = asked.run
        if found := self._own(run):
            return found
        request = _request(asked, base_model_id, role_arn)
        if kms_key_arn:
            request["customModelKmsKeyId"] = kms_key_arn
        try:
            with translated(f"create customization job {run.job_name}"):
                arn: str = self.bedrock.create_model_customization_job(**request)["jobArn"]
        except RequestRefused:
            # Bedrock also says so of a name that is in use: by an earlier request with this token.
            if found := self._own(run):
                return found
            raise
        except ClientError as error:
            if code_of(error) != "ConflictException":
                raise
            if found := self._own(run):
                return found
            raise _taken(run, str(error)) from error
        return arn

    def _own(self, run: Run) -> Job | None:
        """Return the job that the run started, if it did.

        Raises
        ------
        RequestRefused
            A job of that name was started by something else.
        """
        found = _JOBS.find(self.bedrock, run.job_name)
        if found is None:
            return None
        if found.get("clientRequestToken", run.client_token) != run.client_token:
            raise _taken(run, f"{found['jobArn']} was not started by this run")
        return _job(found)


_JOBS = NamedResources(
    kind="customization job",
    describe="get_model_customization_job",
    identifier="jobIdentifier",
    list_all="list_model_customization_jobs",
    summaries="modelCustomizationJobSummaries",
    name="jobName",
    arn="jobArn",
)


def _taken(run: Run, why: str) -> RequestRefused:
    return RequestRefused(
        f"could not create customization job {run.job_name}: its name or that of its model is "
        f"taken ({why}). Start a new execution under another name"
    )


def _request(asked: StartTrainingRequest, base_model_id: str, role_arn: str) -> dict[str, Any]:
    run, dataset = asked.run, asked.dataset
    tags = [{"key": key, "value": value} for key, value in tags_of(run).items()]
    request: dict[str, Any] = {
        "jobName": run.job_name,
        "customModelName": run.custom_model_name,
        "clientRequestToken": run.client_token,
        "roleArn": role_arn,
        "baseModelIdentifier": base_model_id,
        "customizationType": "FINE_TUNING",
        "hyperParameters": asked.quote.hyperparameters,
        "trainingDataConfig": {"s3Uri": f"s3://{run.bucket}/{dataset.training.key}"},
        "outputDataConfig": {"s3Uri": f"s3://{run.bucket}/{run.prefix}/training/"},
        "jobTags": tags,
        "customModelTags": tags,
    }
    if dataset.validation:
        uri = f"s3://{run.bucket}/{dataset.validation.key}"
        request["validationDataConfig"] = {"validators": [{"s3Uri": uri}]}
    return request


def _job(found: Mapping[str, Any]) -> Job:
    details = found.get("statusDetails") or {}
    return Job(
        arn=found["jobArn"],
        name=found["jobName"],
        status=found["status"],
        created_at=found["creationTime"],
        ended_at=found.get("endTime"),
        custom_model_arn=found.get("outputModelArn"),
        failure_message=found.get("failureMessage"),
        phases={
            phase: _phase(details[member])
            for phase, member in _DETAILS.items()
            if details.get(member, {}).get("status")
        },
    )


def _phase(detail: Mapping[str, Any]) -> Phase:
    return Phase(
        status=detail["status"],
        began_at=detail.get("creationTime"),
        changed_at=detail.get("lastModifiedTime"),
    )
