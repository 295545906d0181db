"""The foundation models of the offline account, with their lifecycle dates, limits and prices.

Sources, read 2026-11-23: Bedrock user guide, model-lifecycle-legacy.html, custom-models-hp.html,
custom-model-fine-tuning.html, model-customization-prepare.html, prov-thru-supported.html,
deploy-custom-model-on-demand.html; Nova's user guide, fine-tune-prepare-data-understanding.html;
prices: field reports.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Literal

USUAL_BATCH = 8
Ranges = dict[str, tuple[float, float, float]]  # default, minimum, maximum
RecordFormat = Literal["claude-messages", "converse", "prompt-completion"]


@dataclass(frozen=True)
class ModelSpec:
    """A foundation model: its identifiers, regions, limits and prices."""

    key: str
    name: str
    provider: str
    model_id: str  # for inference on demand
    customization_id: str | None = None  # with its context length; for jobs and throughput
    regions: tuple[str, ...] = ()  # where it can be tuned, and its custom models served
    has_throughput: bool = True  # custom models of it can have provisioned throughput
    has_deployments: bool = False  # and deployments on demand
    legacy: datetime | None = None
    end_of_life: datetime | None = None
    ranges: Ranges = field(default_factory=dict)
    default_batch: int = USUAL_BATCH  # where the service does not say its own, or has one only
    record_format: RecordFormat = "converse"
    trains_on_reasoning: bool = False
    refused_words: tuple[str, ...] = ()  # in what a system or a user says
    min_records: int = 8  # of training
    min_total_records: int = 0  # of training and validation
    max_records: int = 20_000
    max_validation_records: int = 20_000
    max_total_records: int = 20_000
    usd_per_unit_hour: float | None = None
    usd_per_1k_training_tokens: float | None = None

    def arn(self, region: str) -> str:
        return (
            f"arn:aws:bedrock:{region}::foundation-model/{self.customization_id or self.model_id}"
        )


def _day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _nova(
    key: str, name: str, model_id: str, context: str, training: float | None = None
) -> ModelSpec:
    return ModelSpec(
        key=key,
        name=name,
        provider="Amazon",
        model_id=model_id,
        customization_id=f"{model_id}:{context}",
        regions=("us-east-1",),
        has_deployments=True,
        ranges={
            "epochCount": (2, 1, 5),
            "learningRate": (1e-5, 1e-6, 1e-4),
            "learningRateWarmupSteps": (10, 0, 100),
        },
        refused_words=("User:", "Bot:", "Assistant:", "System:", "<image>", "<video>", "[EOS]"),
        usd_per_unit_hour=60.5,
        usd_per_1k_training_tokens=training,
    )


def _llama(key: str, name: str, model_id: str, training: float | None) -> ModelSpec:
    return ModelSpec(
        key=key,
        name=name,
        provider="Meta",
        model_id=model_id,
        customization_id=f"{model_id}:128k",
        regions=("us-west-2",),
        ranges={
            "epochCount": (5, 1, 10),
            "batchSize": (1, 1, 1),
            "learningRate": (1e-4, 5e-6, 0.1),
        },
        default_batch=1,
        record_format="prompt-completion",
        min_records=1,
        min_total_records=100,
        max_records=10_000,
        max_validation_records=10_000,
        max_total_records=10_000,
        usd_per_1k_training_tokens=training,
    )


MODELS = (
    ModelSpec(
        key="claude-3-haiku",
        name="Claude 3 Haiku",
        provider="Anthropic",
        model_id="anthropic.claude-3-haiku-20240307-v1:0",
        customization_id="anthropic.claude-3-haiku-20240307-v1:0:200k",
        regions=("us-west-2",),
        legacy=_day("2026-03-10"),
        end_of_life=_day("2026-09-10"),
        ranges={
            "epochCount": (2, 1, 10),
            "batchSize": (32, 4, 256),
            "learningRateMultiplier": (1, 0.1, 2),
            "earlyStoppingThreshold": (0.001, 0, 0.1),
            "earlyStoppingPatience": (2, 1, 10),
        },
        record_format="claude-messages",
        min_records=32,
        max_records=10_000,
        max_validation_records=1_000,
        max_total_records=10_000,
        usd_per_unit_hour=132.0,
    ),
    _nova("nova-micro", "Nova Micro", "amazon.nova-micro-v1:0", "128k", training=0.001),
    _nova("nova-lite", "Nova Lite", "amazon.nova-lite-v1:0", "300k"),
    _nova("nova-pro", "Nova Pro", "amazon.nova-pro-v1:0", "300k"),
    replace(
        _nova("nova-2-lite", "Nova 2 Lite", "amazon.nova-2-lite-v1:0", "256k", training=0.00378),
        min_records=200,
        max_validation_records=0,
        trains_on_reasoning=True,
    ),
    _llama("llama-3-1-8b", "Llama 3.1 8B Instruct", "meta.llama3-1-8b-instruct-v1:0", 0.00149),
    _llama("llama-3-1-70b", "Llama 3.1 70B Instruct", "meta.llama3-1-70b-instruct-v1:0", None),
    replace(
        _llama(
            "llama-3-3-70b", "Llama 3.3 70B Instruct", "meta.llama3-3-70b-instruct-v1:0", 0.0033
        ),
        has_throughput=False,
        has_deployments=True,
        record_format="converse",
    ),
    ModelSpec(
        key="claude-haiku-4-5",
        name="Claude Haiku 4.5",
        provider="Anthropic",
        model_id="anthropic.claude-haiku-4-5-20251001-v1:0",
    ),
)
_PROFILES = ("us.", "eu.", "apac.", "global.")


def by_customization_id(identifier: str) -> ModelSpec | None:
    identifier = identifier.rpartition("foundation-model/")[2]
    return next((model for model in MODELS if model.customization_id == identifier), None)


def by_model_id(identifier: str) -> ModelSpec | None:
    """Find by an id with or without context length, or by its ARN."""
    identifier = identifier.rpartition("foundation-model/")[2]
    return next((m for m in MODELS if identifier in (m.model_id, m.customization_id)), None)


def invocable(identifier: str) -> ModelSpec | None:
    """Find by an inference id: a bare id, an inference profile, or the ARN of either."""
    bare = identifier.rpartition("/")[2]
    for prefix in _PROFILES:
        bare = bare.removeprefix(prefix)
    return next((model for model in MODELS if model.model_id == bare), None)


def status_of(model: ModelSpec, now: datetime, forced_legacy: tuple[str, ...]) -> str:
    """Return ACTIVE, LEGACY or EOL (no status of AWS: it stops listing the model)."""
    if model.end_of_life and now >= model.end_of_life:
        return "EOL"
    if model.key in forced_legacy or (model.legacy and now >= model.legacy):
        return "LEGACY"
    return "ACTIVE"
