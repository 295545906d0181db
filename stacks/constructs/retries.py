"""What is retried after which error: all Retry tables of the state machines.

Every handler is idempotent, so any of them may be called again after any of these errors.
"""

from __future__ import annotations

from dataclasses import dataclass

from aws_cdk import Duration
from aws_cdk import aws_stepfunctions as sfn


@dataclass(frozen=True)
class Retry:
    """One retrier. `max_delay_seconds` bounds the growth of the interval."""

    errors: tuple[str, ...]
    interval_seconds: int
    max_attempts: int
    backoff_rate: float = 2.0
    max_delay_seconds: int | None = None
    jitter: bool = True

    def apply(self, state: sfn.TaskStateBase | sfn.CustomState) -> None:
        state.add_retry(
            errors=list(self.errors),
            interval=Duration.seconds(self.interval_seconds),
            max_attempts=self.max_attempts,
            backoff_rate=self.backoff_rate,
            max_delay=Duration.seconds(self.max_delay_seconds) if self.max_delay_seconds else None,
            jitter_strategy=sfn.JitterType.FULL if self.jitter else None,
        )


THROTTLED = Retry(
    ("Throttled", "Lambda.TooManyRequestsException"),
    interval_seconds=10,
    max_attempts=8,
    max_delay_seconds=300,
)
UNAVAILABLE = Retry(
    (
        "ServiceUnavailable",
        "Lambda.ServiceException",
        "Lambda.AWSLambdaException",
        "Lambda.SdkClientException",
        "Lambda.ClientExecutionTimeoutException",
    ),
    interval_seconds=5,
    max_attempts=6,
    max_delay_seconds=120,
)
# The function died halfway: the next call finds what it had done.
DIED = Retry(
    (
        "Lambda.Unknown",
        "Runtime.ExitError",
        "Runtime.OutOfMemory",
        "Sandbox.Timedout",
        "States.Timeout",
    ),
    interval_seconds=5,
    max_attempts=2,
)
# AWS does not delete hosting that is still being created: try for an hour, evenly.
HOSTING_BUSY = Retry(
    ("HostingBusy",),
    interval_seconds=30,
    max_attempts=120,
    backoff_rate=1.0,
    jitter=False,
)
# What bills by the hour is retried after unforeseen errors, too.
ANYTHING = Retry(("States.ALL",), interval_seconds=20, max_attempts=4)

# Where a state waits for a person, its time-out means that nobody answered.
DIED_ASKING = Retry(
    tuple(error for error in DIED.errors if error != "States.Timeout"),
    interval_seconds=5,
    max_attempts=2,
)

# A decision counts once its execution has succeeded: wait until that can only have ended.
DECISION_PENDING = Retry(
    ("DecisionPending",),
    interval_seconds=2,
    max_attempts=100,
    backoff_rate=1.5,
    max_delay_seconds=30,
    jitter=False,
)

# While what bills by the hour waits for it.
SOON = Retry(("States.ALL",), interval_seconds=2, max_attempts=2)

ALWAYS = (THROTTLED, UNAVAILABLE, DIED)
UNTIL_ASKED = (THROTTLED, UNAVAILABLE, DIED_ASKING)
UNTIL_CONFIRMED = (DECISION_PENDING, *ALWAYS)
UNTIL_DELETED = (HOSTING_BUSY, *ALWAYS)
UNTIL_RELEASED = (HOSTING_BUSY, *ALWAYS, ANYTHING)
