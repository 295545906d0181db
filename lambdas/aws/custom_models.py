"""Bedrock's custom models: what there is of them under a name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from lambdas.aws.clients import client
from lambdas.aws.inventory import Inventory
from lambdas.aws.named_resources import NamedResources
from lambdas.domain.run.names import is_name_of
from lambdas.domain.run.tuned_model import CustomModel


@dataclass(frozen=True)
class CustomModels:
    """An environment's; each method raises the named errors of `translated`."""

    environment: str
    bedrock: Any = field(default_factory=lambda: client("bedrock"))

    def find(self, name: str) -> CustomModel | None:
        """Return the model with its tags, or None if there is none."""
        found = _MODELS.find(self.bedrock, name)
        tags = found and self._inventory.tags_of(found["modelArn"])
        if tags is None:
            return None
        return CustomModel(
            arn=found["modelArn"],
            name=found["modelName"],
            status=found.get("modelStatus", "Active"),
            base_model_arn=found["baseModelArn"],
            tags=tags,
        )

    def runs(self) -> Iterator[str]:
        """Yield the runs whose models there are."""
        for each in self._inventory.listed("custom-model"):
            if is_name_of(self.environment, each.name):
                yield each.name.removeprefix(f"{self.environment}-")

    @property
    def _inventory(self) -> Inventory:
        return Inventory(self.environment, self.bedrock)


_MODELS = NamedResources(
    kind="custom model",
    describe="get_custom_model",
    identifier="modelIdentifier",
    list_all="list_custom_models",
    summaries="modelSummaries",
    name="modelName",
    arn="modelArn",
)
