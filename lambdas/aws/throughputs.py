"""Bedrock's provisioned throughputs, bought without commitment only."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Any

from lambdas.aws.clients import Deleted, answered_at, client, delete, translated
from lambdas.aws.named_resources import NamedResources
from lambdas.domain.errors import QuotaExceeded, RequestRefused
from lambdas.domain.hosting.throughput import Deletion, ProvisionedThroughput, quota_advice
from lambdas.domain.run.contracts import Run
from lambdas.domain.run.names import PROJECT

_logger = logging.getLogger(PROJECT)  # the one that `lambdas.runtime` sets up


@dataclass(frozen=True)
class Throughputs:
    """The account's throughputs; each method raises the named errors of `translated`."""

    bedrock: Any = field(default_factory=lambda: client("bedrock"))

    def find(self, name_or_arn: str) -> ProvisionedThroughput | None:
        """Return the throughput, or None if there is none."""
        found = _THROUGHPUTS.find(self.bedrock, name_or_arn)
        return found and ProvisionedThroughput(
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
        try:
            deleted = delete(
                f"delete provisioned throughput {name}",
                self.bedrock.delete_provisioned_model_throughput,
                changing=throughput is not None and throughput.is_changing,
                provisionedModelId=throughput.arn if throughput else name,
            )
        except RequestRefused as error:
            if throughput or _THROUGHPUTS.listed(self.bedrock, name):
                raise
            deleted = Deleted(found=False, at=answered_at(error.__cause__))
        return Deletion(found=deleted.found, at=deleted.at, throughput=throughput)

    def _look(self, name: str) -> ProvisionedThroughput | None:
        try:
            return self.find(name)
        except Exception:  # a failed describe must not prevent the deletion
            _logger.exception("could not describe the throughput; deleting it by its name")
            return None


_THROUGHPUTS = NamedResources(
    kind="provisioned throughput",
    describe="get_provisioned_model_throughput",
    identifier="provisionedModelId",
    list_all="list_provisioned_model_throughputs",
    summaries="provisionedModelSummaries",
    name="provisionedModelName",
    arn="provisionedModelArn",
)
