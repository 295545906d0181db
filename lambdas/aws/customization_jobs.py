"""Bedrock's model customization jobs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from lambdas.aws.clients import client, code_of, get, translated
from lambdas.domain.errors import RequestRefused
from lambdas.domain.run.contracts import Dataset, Run, TrainingStop
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
        found = get(
            f"look for customization job {name_or_arn}",
            self.bedrock.get_model_customization_job,
            jobIdentifier=name_or_arn,
        )
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
        self, run: Run, dataset: Dataset, *, base_model_id: str, role_arn: str, kms_key_arn: str
    ) -> Job | str:
        """Return the run's own job if it exists, otherwise the ARN of a new one.

        An empty `kms_key_arn` means AWS's own key.
        """
        if found := self.find(run.job_name):
            return found
        request = _request(run, dataset, base_model_id, role_arn)
        if kms_key_arn:
            request["customModelKmsKeyId"] = kms_key_arn
        try:
            with translated(f"create customization job {run.job_name}"):
                arn: str = self.bedrock.create_model_customization_job(**request)["jobArn"]
        except ClientError as error:
            if code_of(error) != "ConflictException":
                raise
            if found := self.find(run.job_name):  # by an earlier request with this token
                return found
            raise RequestRefused(
                f"could not create customization job {run.job_name}: its name or that of its "
                f"model is taken ({error}). Start a new execution under another name"
            ) from error
        return arn


def _request(run: Run, dataset: Dataset, base_model_id: str, role_arn: str) -> dict[str, Any]:
    tags = [{"key": key, "value": value} for key, value in tags_of(run).items()]
    request: dict[str, Any] = {
        "jobName": run.job_name,
        "customModelName": run.custom_model_name,
        "clientRequestToken": run.client_token,
        "roleArn": role_arn,
        "baseModelIdentifier": base_model_id,
        "customizationType": "FINE_TUNING",
        "hyperParameters": run.hyperparameters,
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
