"""The models that can be tuned and the models that judge, as data with sources and dates.

No other module names a model. Figures are those of AWS's documentation on the date beside their
source; availability is asked of Bedrock at run time, never read from here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from types import MappingProxyType

from lambdas.domain.models.model import (
    Citation,
    HyperparameterRange,
    Inference,
    Judge,
    Limits,
    Model,
    RecordFormat,
    Reserved,
)

_USER_GUIDE = "https://docs.aws.amazon.com/bedrock/latest/userguide"
_READ_ON = date(2026, 11, 23)
_US_PROFILE_REGIONS = ("us-east-1", "us-east-2", "us-west-2")


def _source(page: str, says: str, read_on: date = _READ_ON) -> Citation:
    return Citation(page if page.startswith("http") else f"{_USER_GUIDE}/{page}", read_on, says)


CLAUDE_3_HAIKU = Model(
    key="claude-3-haiku",
    name="Claude 3 Haiku",
    provider="Anthropic",
    customization_model_id="anthropic.claude-3-haiku-20240307-v1:0:200k",
    base_inference=Inference(
        "anthropic.claude-3-haiku-20240307-v1:0", "anthropic.claude-3-haiku-20240307-v1:0"
    ),
    record_format="claude-messages",
    customization_regions=("us-west-2",),
    end_of_life=date(2026, 9, 10),
    hyperparameters=MappingProxyType(
        {
            "epochCount": HyperparameterRange(2, 1, 10, integer=True),
            "batchSize": HyperparameterRange(32, 4, 256, integer=True),
            "learningRateMultiplier": HyperparameterRange(1, 0.1, 2, integer=False),
            "earlyStoppingThreshold": HyperparameterRange(0.001, 0, 0.1, integer=False),
            "earlyStoppingPatience": HyperparameterRange(2, 1, 10, integer=True),
        }
    ),
    limits=Limits(
        min_training_records=32,
        max_training_records=10_000,
        max_validation_records=1_000,
        max_total_records=10_000,
        max_tokens_per_record=32_000,
        max_training_bytes=10 * 1024**3,
        max_validation_bytes=1024**3,
    ),
    reserved=(Reserved(("\nHuman:", "\nAssistant:"), ("system", "user", "assistant")),),
    sources=(
        _source("custom-model-fine-tuning.html", "identifier, region"),
        _source("model-lifecycle-legacy.html", "end-of-life date"),
        _source("model-customization-prepare.html", "dataset limits"),
        _source("custom-models-hp.html", "hyperparameters"),
        _source(
            "https://platform.claude.com/cookbook/finetuning-finetuning-on-bedrock",
            "record format",
        ),
    ),
)

_NOVA_WORDS = ("User:", "Bot:", "Assistant:", "System:", "<image>", "<video>", "[EOS]")


_NOVA_HYPERPARAMETERS = MappingProxyType(
    {
        "epochCount": HyperparameterRange(2, 1, 5, integer=True),
        "learningRate": HyperparameterRange(1e-5, 1e-6, 1e-4, integer=False),
        "learningRateWarmupSteps": HyperparameterRange(10, 0, 100, integer=True),
    }
)
_NOVA_LIMITS = Limits(
    min_training_records=8,
    max_training_records=20_000,
    max_validation_records=None,
    max_total_records=None,
    max_tokens_per_record=32_000,
    max_training_bytes=None,
    max_validation_bytes=None,
)
_NOVA_RESERVED = (
    Reserved(_NOVA_WORDS, ("system", "user")),
    Reserved(
        (*_NOVA_WORDS, "USER:", "BOT:", "ASSISTANT:", "SYSTEM:", "Thought:"),
        ("system", "user", "assistant"),
        documented=False,
    ),
)


def _nova(key: str, name: str, model_id: str, context: str, *sources: Citation) -> Model:
    return Model(
        key=key,
        name=f"Amazon {name}",
        provider="Amazon",
        customization_model_id=f"{model_id}:{context}",
        base_inference=Inference(f"us.{model_id}", model_id, _US_PROFILE_REGIONS),
        record_format="converse",
        customization_regions=("us-east-1",),
        hyperparameters=_NOVA_HYPERPARAMETERS,
        limits=_NOVA_LIMITS,
        reserved=_NOVA_RESERVED,
        sources=(
            _source("custom-model-fine-tuning.html", "identifier, region"),
            _source("prov-thru-supported.html", "provisioned throughput"),
            _source("custom-models-hp.html", "hyperparameters"),
            _source(
                "https://docs.aws.amazon.com/nova/latest/userguide/"
                "fine-tune-prepare-data-understanding.html",
                "dataset limits, record format, reserved words",
            ),
            _source(
                "https://github.com/aws-samples/amazon-nova-samples/tree/main/customization/"
                "bedrock-finetuning/understanding/dataset_validation",
                "words that AWS's validator refuses beyond the documented ones",
            ),
            *sources,
        ),
    )


NOVA_MICRO = _nova("nova-micro", "Nova Micro", "amazon.nova-micro-v1:0", "128k")
NOVA_LITE = _nova("nova-lite", "Nova Lite", "amazon.nova-lite-v1:0", "300k")
NOVA_PRO = _nova("nova-pro", "Nova Pro", "amazon.nova-pro-v1:0", "300k")
NOVA_2_LITE = _nova(
    "nova-2-lite",
    "Nova 2 Lite",
    "amazon.nova-2-lite-v1:0",
    "256k",
    _source(
        "https://docs.aws.amazon.com/nova/latest/nova2-userguide/nova-sft-2-smtj.html",
        "nothing on Bedrock's limits: those of Nova are taken, unconfirmed",
    ),
)


_LLAMA_HYPERPARAMETERS = MappingProxyType(
    {
        "epochCount": HyperparameterRange(5, 1, 10, integer=True),
        "batchSize": HyperparameterRange(1, 1, 1, integer=True),
        "learningRate": HyperparameterRange(1e-4, 5e-6, 0.1, integer=False),
    }
)
_LLAMA_LIMITS = Limits(
    min_training_records=1,
    max_training_records=10_000,
    max_validation_records=None,
    max_total_records=10_000,
    max_tokens_per_record=16_000,
    max_training_bytes=None,
    max_validation_bytes=None,
    min_total_records=100,
)


def _llama(
    key: str, name: str, inference: Inference, record_format: RecordFormat, *sources: Citation
) -> Model:
    return Model(
        key=key,
        name=name,
        provider="Meta",
        customization_model_id=f"{inference.foundation_model_id}:128k",
        base_inference=inference,
        record_format=record_format,
        customization_regions=("us-west-2",),
        hyperparameters=_LLAMA_HYPERPARAMETERS,
        limits=_LLAMA_LIMITS,
        reserved=(),
        sources=(
            _source("custom-model-fine-tuning.html", "identifier, region"),
            _source("model-customization-prepare.html", "dataset limits, record format"),
            _source("custom-models-hp.html", "hyperparameters"),
            *sources,
        ),
    )


_LLAMA_3_1_8B_ID = "meta.llama3-1-8b-instruct-v1:0"
_LLAMA_3_1_70B_ID = "meta.llama3-1-70b-instruct-v1:0"
_LLAMA_3_3_70B_ID = "meta.llama3-3-70b-instruct-v1:0"

LLAMA_3_1_8B = _llama(
    "llama-3-1-8b",
    "Llama 3.1 8B Instruct",
    Inference(_LLAMA_3_1_8B_ID, _LLAMA_3_1_8B_ID),
    "prompt-completion",
    _source("prov-thru-supported.html", "provisioned throughput"),
)
LLAMA_3_1_70B = _llama(
    "llama-3-1-70b",
    "Llama 3.1 70B Instruct",
    Inference(_LLAMA_3_1_70B_ID, _LLAMA_3_1_70B_ID),
    "prompt-completion",
    _source("prov-thru-supported.html", "provisioned throughput"),
)
# Its data can be prepared and checked; a run refuses it, for a run buys throughput.
LLAMA_3_3_70B = replace(
    _llama(
        "llama-3-3-70b",
        "Llama 3.3 70B Instruct",
        Inference(f"us.{_LLAMA_3_3_70B_ID}", _LLAMA_3_3_70B_ID, _US_PROFILE_REGIONS),
        "converse",
        _source("prov-thru-supported.html", "no provisioned throughput"),
        _source("deploy-custom-model-on-demand.html", "on-demand deployment"),
    ),
    has_throughput=False,
)

MODELS: Mapping[str, Model] = MappingProxyType(
    {
        model.key: model
        for model in (
            CLAUDE_3_HAIKU,
            NOVA_MICRO,
            NOVA_LITE,
            NOVA_PRO,
            NOVA_2_LITE,
            LLAMA_3_1_8B,
            LLAMA_3_1_70B,
            LLAMA_3_3_70B,
        )
    }
)

# Still offered as evaluators (evaluation-judge.html of the user guide), through profiles whose
# destinations need permissions of their own (inference-profiles-prereq.html); read 2026-11-23.
JUDGES: Mapping[str, Judge] = MappingProxyType(
    {
        judge.key: judge
        for judge in (
            Judge(
                key="nova-pro",
                name="Amazon Nova Pro",
                inference=Inference(
                    "us.amazon.nova-pro-v1:0", "amazon.nova-pro-v1:0", _US_PROFILE_REGIONS
                ),
            ),
            Judge(
                key="claude-haiku-4-5",
                name="Claude Haiku 4.5",
                inference=Inference(
                    "us.anthropic.claude-haiku-4-5-20251001-v1:0",
                    "anthropic.claude-haiku-4-5-20251001-v1:0",
                    _US_PROFILE_REGIONS,
                ),
            ),
        )
    }
)
