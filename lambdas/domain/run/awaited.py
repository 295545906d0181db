"""What a run waits for, where Bedrock does not find it."""

from __future__ import annotations

from datetime import datetime
from typing import TypeVar

from lambdas.domain.errors import TuningError
from lambdas.domain.run.contracts import Awaited
from lambdas.domain.run.times import is_gone

AwaitedT = TypeVar("AwaitedT", bound=Awaited)


def not_found(
    awaited: AwaitedT, now: datetime, *, wait_seconds: int, gone: TuningError
) -> AwaitedT:
    """Describe what Bedrock does not find: an answer may be older than its creation.

    Raises
    ------
    TuningError
        `gone`: it was not found for too long for that.
    """
    since = awaited.missing_since or now
    if is_gone(since, now):
        raise gone
    return awaited.model_copy(
        update={"missing_since": since, "done": False, "wait_seconds": wait_seconds}
    )
