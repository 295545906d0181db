"""Scenario of an offline account: its quotas, how things end, and which calls fail."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from typing import Any, Literal

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
    """By default everything works."""

    no_commitment_units: int = 1
    running_jobs: int = 2
    haiku_arrangement: bool = True  # a private arrangement for Claude 3 Haiku past its end of life
    legacy_models: tuple[str, ...] = ()  # keys of models to show as LEGACY
    job_outcome: Literal["complete", "fail", "stuck_not_started", "stuck_training"] = "complete"
    validation_folder: ValidationFolder = "post_fine_tuning_validation"
    training_curve: CurveFile = "whole"
    validation_curve: CurveFile = "whole"
    throughput_outcome: Literal["in_service", "fail", "never_ready"] = "in_service"
    provisioning_minutes: float = 20.0
    deployments: int = 10  # on demand, active and in creation
    deployment_outcome: Literal["active", "fail", "never_ready"] = "active"
    deployment_minutes: float = 8.0
    cloudtrail: bool = False  # a trail is on: purchases are also events on the default bus
    faults: tuple[Fault, ...] = ()

    @classmethod
    def from_json(cls, text: str) -> Scenario:
        """Parse a JSON object of these fields.

        Raises
        ------
        ValueError
            A field is unknown; the message names those that exist.
        """
        raw: dict[str, Any] = json.loads(text)
        known = {field.name for field in fields(cls)}
        if unknown := raw.keys() - known:
            raise ValueError(f"unknown: {sorted(unknown)}; a scenario has {sorted(known)}")
        faults = tuple(Fault(**each) for each in raw.pop("faults", ()))
        legacy = tuple(raw.pop("legacy_models", ()))
        return cls(faults=faults, legacy_models=legacy, **raw)
