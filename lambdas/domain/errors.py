"""The errors that the state machine knows by name.

A class name here is what Retry and Catch tables in `stacks/` list, what the execution's
`error` shows, and its message is the `cause`: what is wrong, where, and what to do next.
"""


class TuningError(Exception):
    """Base of all errors that a person must act on; never retried."""


class InputInvalid(TuningError):
    """The execution input does not parse; names each field and what it may hold."""


class PreflightFailed(TuningError):
    """The run could not succeed from the start: model, quota, bucket or names."""


class DatasetInvalid(TuningError):
    """At least one record breaks a rule of the model's format."""


class TrainingFailed(TuningError):
    """The customization job ended as Failed."""


class TrainingStopped(TuningError):
    """Somebody stopped the customization job."""


class TrainingStuck(TuningError):
    """The customization job stayed too long in one phase and has been stopped."""


class TrainingTimedOut(TuningError):
    """The customization job outlived `max_training_hours` and has been stopped."""


class LossCurvesMissing(TuningError):
    """The job completed but its metric files are absent or unreadable."""


class QuotaExceeded(TuningError):
    """The account may not have what the run needs; names the quota."""


class AccessDenied(TuningError):
    """A role lacks a permission; names the action and the resource."""


class RequestRefused(TuningError):
    """Bedrock refused the request as invalid (ValidationException and its like)."""


class PriceMissing(TuningError):
    """The price book holds no figure for something that the run needs; says what to add."""


class CostCeilingExceeded(TuningError):
    """The run could cost more than `max_cost_usd`; has the arithmetic."""


class SpendRejected(TuningError):
    """A person rejected the quote, or nobody decided in time; nothing was bought."""


class DecisionRefused(TuningError):
    """A decision on a quote that cannot count: unknown run, decided already, or too late."""


class HostingFailed(TuningError):
    """The provisioned throughput ended as Failed or never came into service."""


class HostingCommitted(TuningError):
    """Somebody bought the capacity with a commitment: AWS deletes it only when that has ended."""


class LeftBehind(TuningError):
    """Something that bills could not be deleted; names it, its price per hour and the command."""


class AnswersFailed(TuningError):
    """More answers failed than `max_failed_answers_percent` allows."""


class JudgementsFailed(TuningError):
    """More judgements failed than `max_failed_answers_percent` allows."""


class DatasetBelowThreshold(TuningError):
    """The reviewed training data scores below `min_review_score`; names the worst lines."""


class ReviewFailed(TuningError):
    """More records could not be reviewed than `max_failed_answers_percent` allows."""


class Throttled(Exception):
    """AWS asked to slow down and the SDK's own retries are used up; retried."""


class ServiceUnavailable(Exception):
    """AWS answered with a 5xx or not at all; retried."""


class HostingBusy(Exception):
    """The throughput cannot be deleted yet (still being created or updated); retried."""
