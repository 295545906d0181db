"""Bedrock's provisioned throughputs, bought without commitment only."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

from botocore.exceptions import ClientError

from lambdas.aws.clients import client, code_of, translated
from lambdas.domain.errors import HostingBusy, QuotaExceeded, RequestRefused
from lambdas.domain.hosting.throughput import Deletion, ProvisionedThroughput, quota_advice
from lambdas.domain.run.contracts import Run

_logger = logging.getLogger("bedrock-tuning")  # the one that `lambdas.runtime` sets up


@dataclass(frozen=True)
class Throughputs:
    """The account's throughputs; each method raises the named errors of `translated`."""

    bedrock: Any = field(default_factory=lambda: client("bedrock"))

    def find(self, name_or_arn: str) -> ProvisionedThroughput | None:
        """Return the throughput, or None if there is none."""
        try:
            with translated(f"look for provisioned throughput {name_or_arn}"):
                found = self.bedrock.get_provisioned_model_throughput(
                    provisionedModelId=name_or_arn
                )
        except ClientError as error:
            if code_of(error) == "ResourceNotFoundException":
                return None
            raise
        return ProvisionedThroughput(
            arn=found["provisionedModelArn"],
            name=found["provisionedModelName"],
            status=found["status"],
            created_at=found["creationTime"],
            failure_message=found.get("failureMessage"),
        )

    def buy(self, run: Run, *, model_arn: str, model_name: str, tags: dict[str, str]) -> str:
        """Buy the run's throughput, billed by the hour until it is deleted; return its ARN."""
        try:
            with translated(f"buy provisioned throughput {run.hosting_name}"):
                bought = self.bedrock.create_provisioned_model_throughput(
                    clientRequestToken=run.client_token,
                    modelUnits=run.settings.model_units,
                    provisionedModelName=run.hosting_name,
                    modelId=model_arn,
                    tags=[{"key": key, "value": value} for key, value in tags.items()],
                )
        except QuotaExceeded as error:
            advice = quota_advice(model_name, self.bedrock.meta.region_name)
            raise QuotaExceeded(f"{error}. {advice}") from error
        arn: str = bought["provisionedModelArn"]
        return arn

    def release(self, name: str) -> Deletion:
        """Delete the throughput called `name`, even if it cannot be described.

        Raises
        ------
        HostingBusy
            AWS refuses for now; try again later.
        """
        throughput = self._look(name)
        deletion = self._delete(
            throughput.arn if throughput else name,
            changing=throughput is not None and throughput.is_changing,
        )
        return replace(deletion, throughput=throughput)

    def _look(self, name: str) -> ProvisionedThroughput | None:
        try:
            return self.find(name)
        except Exception:  # a failed describe must not prevent the deletion
            _logger.exception("could not describe the throughput; deleting it by its name")
            return None

    def _delete(self, name_or_arn: str, *, changing: bool) -> Deletion:
        """Delete the throughput.

        Raises
        ------
        HostingBusy
            AWS refuses while it is being created or updated (`changing`); try again later.
        """
        try:
            with translated(f"delete provisioned throughput {name_or_arn}"):
                answer = self.bedrock.delete_provisioned_model_throughput(
                    provisionedModelId=name_or_arn
                )
        except RequestRefused as error:
            # AWS does not document which error a throughput in Creating gives: both are retried.
            if changing:
                raise HostingBusy(str(error)) from error
            raise
        except ClientError as error:
            if code_of(error) == "ResourceNotFoundException":
                return Deletion(found=False)
            if code_of(error) == "ConflictException":
                raise HostingBusy(_busy(name_or_arn, error)) from error
            raise
        return Deletion(found=True, at=_answered_at(answer))


def _answered_at(answer: Mapping[str, Any]) -> datetime | None:
    date = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
    try:
        return parsedate_to_datetime(date) if date else None
    except ValueError:
        return None


def _busy(name_or_arn: str, error: ClientError) -> str:
    return f"provisioned throughput {name_or_arn} cannot be deleted yet: {error}"
