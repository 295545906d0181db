"""Scenario of an offline account: its quotas, how things end, and which calls fail."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_args

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
# Of the user guide, and of AWS's samples: validation_metrics.csv is directly in it.
ValidationFolder = Literal["post_fine_tuning_validation", "post_fine_tuning_validation/validation"]
# Why the account cannot use a model: access was not asked for, or is being given; AWS does not
# authorize the account; Anthropic's use-case form, or the right to subscribe in AWS Marketplace, is
# missing; or none of it, and it is refused although every part of its availability says yes.
AccessGap = Literal[
    "not_requested", "pending", "not_authorized", "use_case_form", "marketplace", "unexplained"
]
CurveFile = Literal["whole", "missing", "empty", "header_only", "cut", "nan"]


@dataclass(frozen=True)
class Fault:
    """One call that goes wrong: the `after`-th and following ones, `times` times (None: always)."""

    operation: str  # of the service's model, e.g. "CreateProvisionedModelThroughput"
    kind: FaultKind
    times: int | None = None
    after: int = 0
    seconds: float = 30.0  # of real time, for "slow"
    model: str = ""  # only calls whose request contains this text


@dataclass(frozen=True)
class Scenario:
    """By default everything works. Quotas are of each region; models are named by their keys."""

    no_commitment_units: int = 1  # across custom models, and as many across base models
    units_of_models: Mapping[str, int] = field(default_factory=dict)  # of one throughput of a model
    running_jobs: int = 2
    custom_models: int = 100
    deployments: int = 10  # on demand, whatever their status
    deployments_in_creation: int = 2
    without_access: Mapping[str, AccessGap] = field(default_factory=dict)  # models, and why not
    haiku_arrangement: bool = True  # a private arrangement for Claude 3 Haiku past its end of life
    legacy_models: tuple[str, ...] = ()  # keys of models to show as LEGACY
    job_outcome: Literal["complete", "fail", "stuck_not_started", "stuck_training"] = "complete"
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
    cloudtrail: bool = False  # a trail is on: purchases are also events on the default bus
    faults: tuple[Fault, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what would stage nothing.

        Raises
        ------
        ValueError
            A model or a gap is unknown.
        """
        named = {*self.legacy_models, *self.units_of_models, *self.without_access}
        if unknown := named - {model.key for model in MODELS}:
            raise ValueError(f"no such model: {sorted(unknown)}")
        gaps: tuple[str, ...] = get_args(AccessGap)
        if wrong := sorted({*self.without_access.values()} - {*gaps}):
            raise ValueError(f"no such gap: {wrong}; there are {gaps}")

    @classmethod
    def from_json(cls, text: str) -> Scenario:
        """Parse a JSON object of these fields.

        Raises
        ------
        ValueError
            A field is unknown, and the message names those that exist; or a model or a gap is.
        """
        raw: dict[str, Any] = json.loads(text)
        known = {field.name for field in fields(cls)}
        if unknown := raw.keys() - known:
            raise ValueError(f"unknown: {sorted(unknown)}; a scenario has {sorted(known)}")
        faults = tuple(Fault(**each) for each in raw.pop("faults", ()))
        legacy = tuple(raw.pop("legacy_models", ()))
        return cls(faults=faults, legacy_models=legacy, **raw)
