"""The value of every variable that a function may read; which it reads, its step's class says."""

from __future__ import annotations

import json
from collections.abc import Mapping

from stacks.constructs.access import Access
from stacks.constructs.step import Step


def environment_of(
    step: Step, values: Mapping[str, str], shared: Mapping[str, str]
) -> dict[str, str]:
    """Return the variables of a step's function: those that it reads, and the shared ones.

    Raises
    ------
    ValueError
        It reads one that has neither a value nor a default.
    """
    fields = {name.upper(): field for name, field in step.variables.model_fields.items()}
    for name, field in fields.items():
        if field.is_required() and name not in values:
            raise ValueError(f"step {step.name!r} reads {name}: give it a value in {__name__}")
    return {**shared, **{name: values[name] for name in fields if name in values}}


def values_of(access: Access, *, code_version: str) -> dict[str, str]:
    """Return all values by name; a variable that has none is left to its default."""
    environment = access.environment
    pii_usd = environment.validation.comprehend_max_usd
    values = {
        "ARTEFACT_BUCKET": access.bucket,
        "CODE_VERSION": code_version,
        "COMPREHEND_MAX_USD": f"{pii_usd:g}" if pii_usd else None,
        "DECIDE_MACHINE_ARN": access.decide_machine_arn,
        "ENVIRONMENT": environment.name,
        "EXECUTION_DEFAULTS": environment.defaults.model_dump_json(),
        "MACHINE_ARN": access.machine_arn,
        "MODEL_KMS_KEY_ARN": access.key_arn,
        "OPENBLAS_NUM_THREADS": "1",  # more only wait for each other on the vCPU that there is
        "REAP_EVERY_MINUTES": f"{environment.spending.reap_every_minutes}",
        "PRICE_OVERRIDES": json.dumps(environment.prices),
        "SERVICE_ROLE_ARN": access.service_role_arn,
        "SIMILARITY_WEIGHTS": environment.similarity.weights,
        "TAGS": json.dumps(environment.tags) if environment.tags else None,
        "TOPIC_ARN": access.topic_arn,
    }
    return {name: value for name, value in values.items() if value}
