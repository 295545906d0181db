"""What an environment has on Bedrock, as its tags tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from lambdas.domain.errors import HostingCommitted
from lambdas.domain.run.tags import EXECUTION, KEEP, RUN, release_by_of
from lambdas.domain.run.times import minutes_between

Kind = Literal["throughput", "deployment", "custom-model", "job"]


@dataclass(frozen=True)
class TaggedResource:
    """One resource; times are Bedrock's."""

    kind: Kind
    arn: str
    name: str
    status: str
    created_at: datetime
    tags: Mapping[str, str] = field(default_factory=dict)
    unreadable: str | None = None  # why its tags could not be read
    model_arn: str | None = None  # of the custom model that it serves
    foundation_model_arn: str | None = None
    model_units: int = 0
    commitment: str | None = None  # OneMonth | SixMonths; never bought by this project
    commitment_ends: datetime | None = None

    @property
    def run(self) -> str | None:
        return self.tags.get(RUN)

    def runs(self, environment: str) -> set[str | None]:
        """Return the names that its run may have, by tag and by its own name."""
        return {self.run, self.name.removeprefix(f"{environment}-")}

    @property
    def execution_arn(self) -> str | None:
        return self.tags.get(EXECUTION)

    @property
    def release_by(self) -> datetime | None:
        return release_by_of(self.tags)

    @property
    def kept(self) -> bool:
        """Whether a person has tagged it to be kept: a model can be, what is hosted never."""
        return self.kind == "custom-model" and KEEP in self.tags

    @property
    def is_changing(self) -> bool:
        return self.status in {"Creating", "Updating"}

    @property
    def is_hosting(self) -> bool:
        return self.kind in {"throughput", "deployment"}

    def age_minutes(self, now: datetime) -> float:
        return minutes_between(self.created_at, now)

    def is_overdue(self, now: datetime) -> bool:
        """Whether it is hosting that should have been released by now."""
        return self.is_hosting and self.release_by is not None and self.release_by <= now


def check_deletable(resource: TaggedResource) -> None:
    """Refuse what AWS will not delete.

    Raises
    ------
    HostingCommitted
        It was bought with a commitment, which has to end first.
    """
    if resource.commitment:
        ends = resource.commitment_ends or "at a time that AWS does not report"
        raise HostingCommitted(
            f"{resource.name} was bought with a commitment ({resource.commitment}) that ends "
            f"{ends}: until then AWS does not delete it and it bills. This project buys no "
            "commitments: CloudTrail names who did"
        )
