"""Scenario of an offline account: its quotas, how things end, and which calls fail."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter
from pydantic.dataclasses import dataclass

from local.bedrock.catalogue import MODELS

FaultKind = Literal[
    "throttle",
    "server_error",
    "access_denied",
    "quota",
    "refused",
    "not_found",
    "timeout_after_effect",
    "slow",
]
# validation_metrics.csv is directly in it: of the user guide, of AWS's samples, and none at all.
ValidationFolder = Literal[
    "post_fine_tuning_validation", "post_fine_tuning_validation/validation", ""
]
# Why the account cannot use a model: access was not asked for, or is being given; AWS does not
# authorize the account; Anthropic's use-case form, or the right to subscribe in AWS Marketplace, is
# missing; or none of it, and it is refused although every part of its availability says yes.
AccessGap = Literal[
    "not_requested", "pending", "not_authorized", "use_case_form", "marketplace", "unexplained"
]
# Events are best effort (user guide, monitoring-eventbridge.html). Late is after `event_minutes`,
# as is an event's second arrival; out of order each comes after a share of them.
EventDelivery = Literal["once", "twice", "late", "out_of_order", "never"]
Preference = Literal["first", "longer"]
CurveFile = Literal["whole", "missing", "empty", "header_only", "cut", "nan"]
# Converse's, by botocore's service model; "empty" is an end of the turn at which nothing was said.
StopReason = Literal[
    "empty",
    "max_tokens",
    "stop_sequence",
    "guardrail_intervened",
    "content_filtered",
    "malformed_model_output",
    "model_context_window_exceeded",
]
Percent = Annotated[float, Field(ge=0, le=100)]
_AS_NAMED = ConfigDict(extra="forbid")


def _known(model: str) -> str:
    if model not in {each.key for each in MODELS}:
        raise ValueError(f"no such model: {model}")
    return model


ModelKey = Annotated[str, AfterValidator(_known)]


@dataclass(frozen=True, config=_AS_NAMED)
class Fault:
    """One call that goes wrong: the `after`-th and following ones, `times` times (None: always)."""

    operation: str  # of the service's model, e.g. "CreateProvisionedModelThroughput"
    kind: FaultKind
    times: int | None = None
    after: int = 0
    seconds: float = 30.0  # of real time, for "slow"
    model: str = ""  # only calls whose request contains this text


@dataclass(frozen=True, config=_AS_NAMED)
class Stop:
    """Answers that end otherwise than they should: those to some questions, or a share of them."""

    reason: StopReason
    percent: Percent = 100.0  # of those that the next two leave, by chance of seed and content
    text: str = ""  # only where the question contains it
    model: str = ""  # only where the model's name does: "tuned Nova Micro", or "base Nova Micro"


@dataclass(frozen=True, config=_AS_NAMED)
class Scenario:
    """By default everything works. Quotas are of each region; models are named by their keys.

    Chance follows from `seed` and from what is asked, see `local.bedrock.chance`: a share of
    requests is the same requests in every run. What would stage nothing is a `ValueError`: a field,
    model or choice that is unknown, a number out of its bounds.
    """

    seed: int = 0

    no_commitment_units: int = 1  # across custom models, and as many across base models
    units_of_models: Mapping[ModelKey, int] = field(default_factory=dict)  # of one throughput
    running_jobs: int = 2
    custom_models: int = 100
    deployments: int = 10  # on demand, whatever their status
    deployments_in_creation: int = 2
    without_access: Mapping[ModelKey, AccessGap] = field(default_factory=dict)  # and why
    haiku_arrangement: bool = True  # a private arrangement for Claude 3 Haiku past its end of life
    legacy_models: tuple[ModelKey, ...] = ()  # keys of models to show as LEGACY
    job_outcome: Literal["complete", "fail", "stuck_not_started", "stuck_training"] = "complete"
    training_minutes: float = 75.0  # and more for each record and epoch
    validation_folder: ValidationFolder = "post_fine_tuning_validation"
    training_curve: CurveFile = "whole"
    validation_curve: CurveFile = "whole"
    throughput_outcome: Literal["in_service", "fail", "never_ready"] = "in_service"
    provisioning_minutes: float = 20.0
    # Of a creation and of an update alike; an update that fails leaves the model that was served.
    deployment_outcome: Literal["active", "fail", "never_ready"] = "active"
    deployment_minutes: float = 8.0
    deployment_fails_after_minutes: float | None = None  # Active, then Failed; None: never
    not_ready_calls: int = 0  # an Active deployment's first answers are ModelNotReadyException
    requests_per_minute: int | None = None  # of one deployment; None: as AWS gives its base model
    tokens_per_minute: int | None = None  # same
    judge_noise: Annotated[float, Field(ge=0)] = 0.0  # standard deviation of its scores, in points
    judge_prefers: Preference | None = None  # of two answers the first, or the longer
    judge_malformed_percent: Percent = 0.0  # of assessments, whose tool input breaks the schema
    judge_refuses_percent: Percent = 0.0  # of assessments: it does not call the tool, and says so
    stops: tuple[Stop, ...] = ()  # the first that applies to an answer
    forgets_percent: Percent = 0.0  # of general tasks, which a tuned model can no longer do
    cloudtrail: bool = False  # a trail is on: purchases are also events on the default bus
    list_lag_minutes: float = 0.0  # what was created since is in no list, though it can be got
    events: EventDelivery = "once"
    event_minutes: float = 10.0
    faults: tuple[Fault, ...] = ()

    @staticmethod
    def from_json(text: str) -> Scenario:
        """Parse a JSON object of these fields."""
        return TypeAdapter(Scenario).validate_json(text)
