"""Whether what is on Bedrock belongs to an execution that is under way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self

from lambdas.domain.housekeeping.tagged_resources import TaggedResource
from lambdas.domain.run.names import is_name_of, names_of


@dataclass(frozen=True)
class ExecutionsUnderWay:
    """The executions that run now: ARNs, names of what they own, and whose models they use."""

    environment: str
    arns: frozenset[str]
    runs: frozenset[str]
    tuned_by_runs: frozenset[str] = frozenset()  # those of the inputs

    @classmethod
    def of(cls, environment: str, names: Mapping[str, str], inputs: Iterable[object] = ()) -> Self:
        """Take the executions' names by their ARNs, and their inputs where models count."""
        runs = (names_of(environment, name, arn).run for arn, name in names.items())
        models = (each.get("tuned_by_run") for each in inputs if isinstance(each, dict))
        return cls(environment, frozenset(names), frozenset(runs), frozenset(map(str, models)))

    def use(self, resource: TaggedResource) -> bool:
        """Whether one of them made it or, of a model, has it from an earlier run.

        By tag or by name: Bedrock takes not every name as a tag.
        """
        runs = resource.runs(self.environment)
        return (
            resource.execution_arn in self.arns
            or not self.runs.isdisjoint(runs)
            or (resource.kind == "custom-model" and not self.tuned_by_runs.isdisjoint(runs))
        )

    def left(self, resource: TaggedResource) -> bool:
        """Whether an execution made it, and none of these did."""
        made = resource.execution_arn or is_name_of(self.environment, resource.name)
        return bool(made) and not self.use(resource)
