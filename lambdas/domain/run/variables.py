"""The environment variables that functions read: one class per function that reads any.

A field is the variable of the same name in capitals. `stacks/` sets the variables that a step's
class asks for, and fails at synth if it has no value for one; `lambdas.runtime` parses them.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Json

from lambdas.domain.run.execution_input import ExecutionDefaults
from lambdas.domain.run.names import EnvironmentName


class Variables(BaseModel):
    """What a function reads; this one reads none."""

    model_config = ConfigDict(frozen=True, alias_generator=str.upper)


class EnvironmentVariables(Variables):
    environment: EnvironmentName


class MachineVariables(EnvironmentVariables):
    machine_arn: str  # of the machine that runs


class ArtefactVariables(Variables):
    artefact_bucket: str


class TopicVariables(Variables):
    topic_arn: str


class PriceVariables(Variables):
    """The environment's own prices, in US dollars, by model and field of the price book."""

    price_overrides: Json[dict[str, dict[str, float]]]


class CheckPreflightVariables(EnvironmentVariables):
    artefact_bucket: str
    comprehend_max_usd: float = 0
    reap_every_minutes: int
    service_role_arn: str
    execution_defaults: Json[ExecutionDefaults]
    tags: Json[dict[str, str]] = {}


class ConfirmDecisionVariables(Variables):
    decide_machine_arn: str


class ApproveSpendVariables(ConfirmDecisionVariables, TopicVariables):
    pass


class StartTrainingVariables(Variables):
    service_role_arn: str
    model_kms_key_arn: str = ""  # empty: AWS manages the key


class ScoreSimilarityVariables(Variables):
    """`openblas_num_threads` is numpy's own to read, before it is imported."""

    openblas_num_threads: int = 1
    similarity_weights: str = ""  # empty: there is no BERTScore


class WriteReportVariables(PriceVariables):
    code_version: str


class MeterStoppedRunVariables(ArtefactVariables, EnvironmentVariables, TopicVariables):
    pass


class ListResourcesVariables(MachineVariables, PriceVariables):
    pass


class ReapLeftoversVariables(MachineVariables, PriceVariables, TopicVariables):
    pass
