"""The errors that the state machine knows by name.

Retry and Catch tables in `stacks/` list these class names, and an execution shows them as its
`error`. The message is the `cause`: what is wrong, where, and what to do next.
"""

from __future__ import annotations

from collections.abc import Sequence

_FEWER = "Use fewer or shorter records or answers"
# What ends a function or a state without an error of ours, whose causes need an explanation.
# Names: Step Functions, concepts-error-handling; Runtime.OutOfMemory: nasa-gcn/gcn.nasa.gov issue
# 3628; both read 2026-11-28.
DEATHS = {
    "Runtime.OutOfMemory": f"The function needed more memory than it has, three times. {_FEWER}",
    "Runtime.ExitError": "The function's process ended without an answer, three times; most often "
    f"it lacked memory, and its log says so. {_FEWER}",
    "Sandbox.Timedout": f"The function did not end within its time limit, three times. {_FEWER}",
    "Lambda.Unknown": "Lambda lost the function three times and gave no reason; its log has the "
    f"last lines. If it lacked time or memory: {_FEWER.lower()}",
    "Runtime.ImportModuleError": "The function's code or layer cannot be loaded. Deploy again",
    "Lambda.ResourceNotFoundException": "The function does not exist: a deployment removed it "
    "during the run. Start a new execution",
    "States.Timeout": "The state had no answer within its limit. Start again; if it recurs, read "
    "the function's log",
    "States.DataLimitExceeded": "A state's data exceeded the 256 KB of Step Functions, which no "
    "state can catch: the guard has cleaned up. It is a bug of this project",
    "States.QueryEvaluationError": "An expression of the state machine failed. It is a bug of this "
    "project",
    "States.Runtime": "The state machine's definition failed, which no state can catch: the guard "
    "has cleaned up. It is a bug of this project",
    "States.ExceedToleratedFailureThreshold": "Too many batches of the review failed; the failed "
    "child executions of the map say why",
    "States.ItemReaderFailed": "The map could not read the records that it is to review: "
    "runs/<run>/review/items.jsonl",
    "States.ResultWriterFailed": "The map could not write its results to the artefact bucket",
}


class TuningError(Exception):
    """Base of all errors that a person must act on; never retried."""


class InputInvalid(TuningError):
    """The execution input does not parse; names each field and what it may hold."""


class PreflightFailed(TuningError):
    """The run cannot succeed: model, quota, dataset, region or role."""


class RunRedriven(TuningError):
    """Somebody redrove an ended execution; a run is started anew, never continued."""


class DatasetInvalid(TuningError):
    """At least one record breaks a rule of the model's format."""


class DatasetChanged(TuningError):
    """The run's own copy of its data is no longer what was checked and quoted; names the object."""


class TrainingFailed(TuningError):
    """The customization job ended as Failed."""


class TrainingStopped(TuningError):
    """Somebody stopped the customization job."""


class TrainingStuck(TuningError):
    """The customization job was too long in one phase and has been stopped."""


class TrainingTimedOut(TuningError):
    """The customization job outlived `max_training_hours` and has been stopped."""


class QuotaExceeded(TuningError):
    """A service quota is too low for the run; names it."""


class AccessDenied(TuningError):
    """A role lacks a permission; names the action and the resource."""


class RequestRefused(TuningError):
    """AWS refused the request as invalid (ValidationException and similar)."""


class PriceMissing(TuningError):
    """The price book lacks a price that the run needs; says what to add."""


class CostCeilingExceeded(TuningError):
    """The run could cost more than `max_cost_usd`; shows the arithmetic."""


class SpendRejected(TuningError):
    """A person rejected the quote, or nobody decided in time; nothing was bought."""


class DecisionRefused(TuningError):
    """A decision that does not count: unknown run, another quote, decided already, or too late."""


class HostingFailed(TuningError):
    """The tuned model's hosting failed, was not ready in time, or is gone."""


class ModelGone(TuningError):
    """The tuned model was deleted before it was hosted."""


class HostingCommitted(TuningError):
    """The throughput was bought with a commitment: AWS deletes it only after that has ended."""


class LeftBehind(TuningError):
    """Something that bills could not be deleted; names it and the command that deletes it."""


class AnswersFailed(TuningError):
    """More answers failed than `max_failed_answers_percent` allows."""


class JudgementsFailed(TuningError):
    """More judgements failed than `max_failed_answers_percent` allows."""


class WeightsUnusable(TuningError):
    """A model's weights for BERTScore are not those that were named, or give other scores."""


class DatasetBelowThreshold(TuningError):
    """The reviewed training data scores below `min_review_score`; names the worst lines."""


class ReviewFailed(TuningError):
    """More records could not be reviewed than `max_failed_answers_percent` allows."""


class DecisionPending(Exception):
    """The execution that brought a decision has not ended, so it does not count yet; retried."""


class Throttled(Exception):
    """AWS throttled the call and the SDK's own retries are used up; retried."""


class ServiceUnavailable(Exception):
    """AWS answered with a 5xx or did not answer; retried."""


class AnswerLost(ServiceUnavailable):
    """The request was sent and no answer arrived: it may be paid for. Sent once more at most."""


class OutOfTime(ServiceUnavailable):
    """The function's time does not allow another try; the state's next pass makes it."""


class HostingBusy(Exception):
    """The hosting cannot be deleted yet (still being created or updated); retried."""


def to_raise(errors: Sequence[Exception]) -> Exception:
    """Return the one of several errors that passes by itself, which is retried longest."""
    return next((each for each in errors if not isinstance(each, TuningError)), errors[0])
