"""Whether what is on Bedrock belongs to an execution that is under way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from lambdas.domain.housekeeping.tagged_resources import TaggedResource
from lambdas.domain.run.names import is_name_of, names_of


@dataclass(frozen=True)
class ExecutionsUnderWay:
    """The executions that run now: ARNs, and names of what they own."""

    environment: str
    arns: frozenset[str]
    runs: frozenset[str]

    @classmethod
    def of(cls, environment: str, names: Mapping[str, str]) -> Self:
        """Take the executions' names by their ARNs."""
        runs = (names_of(environment, name, arn).run for arn, name in names.items())
        return cls(environment, frozenset(names), frozenset(runs))

    def use(self, resource: TaggedResource) -> bool:
        """Whether one of them made it, by tag or by name: Bedrock takes not every name as a tag."""
        return resource.execution_arn in self.arns or not self.runs.isdisjoint(
            resource.runs(self.environment)
        )

    def left(self, resource: TaggedResource) -> bool:
        """Whether an execution made it, and none of these did."""
        made = resource.execution_arn or is_name_of(self.environment, resource.name)
        return bool(made) and not self.use(resource)
