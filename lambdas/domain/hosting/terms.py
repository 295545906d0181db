"""What a run must know of a kind of hosting, and what serves its model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from lambdas.domain.hosting.answering import margin_minutes
from lambdas.domain.models.lookup import find_model
from lambdas.domain.models.model import HostingKind
from lambdas.domain.run.execution_input import Settings


@dataclass(frozen=True)
class Hosted:
    """What serves a tuned model, as Bedrock shows it."""

    kind: HostingKind
    arn: str
    name: str
    status: str  # Creating | Updating | Failed, or the `ready` of its kind
    created_at: datetime
    failure_message: str | None = None

    @property
    def is_changing(self) -> bool:
        return self.status in {"Creating", "Updating"}


@dataclass(frozen=True)
class Terms:
    """The terms of one kind of hosting."""

    kind: HostingKind
    called: str  # in the middle of a sentence
    ready: str  # its status
    delete_call: str  # as CloudTrail names it
    delete_command: str  # of the AWS CLI, up to the name
    bills_by_the_hour: bool  # for being there; otherwise each answer bills
    margin_minutes: float  # at least, for answers and for releases that AWS refuses at first
    minutes_afterwards: Callable[[Settings], float]  # for which it may stay when all is answered
    wait_seconds: Callable[[float], int]  # until the next look, by its age in minutes

    def minutes_until_release_by(self, settings: Settings, questions: int) -> float:
        """Return after how many minutes the run's hosting must be gone, whatever happened."""
        ready = settings.provisioning_minutes(self.kind)
        limit = find_model(settings.model).requests_per_minute(self.kind)
        margin = margin_minutes(questions, self.margin_minutes, limit)
        return ready + margin + self.minutes_afterwards(settings)
