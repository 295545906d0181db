"""The foundation models of the offline AWS, with their lifecycle dates, regions, limits and prices.

It is written from AWS's pages, not from the product's catalogue: what either has wrong, a test that
compares the two tells.

Sources, read 2026-11-23: Bedrock user guide, model-lifecycle-legacy.html, custom-models-hp.html,
custom-model-fine-tuning.html, model-customization-prepare.html, prov-thru-supported.html,
deploy-custom-model-on-demand.html; Nova's user guide, fine-tune-prepare-data-understanding.html;
prices: field reports. Read 2026-11-28: batch-inference-supported.html and copy-model-support.html
(regions of base models and profiles); Nova's custom-fine-tune-odi.html and Nova 2's
nova-model-bedrock-inference.html (limits of deployments; those of Llama 3.3: a field report);
https://github.com/amazonbedrockmodels/amazonbedrockmodels.github.io (what ListFoundationModels says
of lifecycle, customizations and kinds of inference, among them values that botocore does not know);
https://github.com/BerriAI/litellm, model_prices_and_context_window.json of 2026-11-20 (tokens; that
a deployment's cost the base model's in-region price is what three published figures agree on; the
most tokens of an answer).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Literal

from local.bedrock.meter import TokenPrice

USUAL_BATCH = 8
Ranges = dict[str, tuple[float, float, float]]  # default, minimum, maximum
_US = ("us-east-1", "us-east-2", "us-west-2")  # where its inference profiles can be called
_EU = ("eu-central-1", "eu-north-1", "eu-south-1", "eu-south-2", "eu-west-1", "eu-west-3")
_APAC = ("ap-northeast-1", "ap-northeast-2", "ap-south-1", "ap-southeast-1", "ap-southeast-2")
RecordFormat = Literal["claude-messages", "converse", "prompt-completion"]


@dataclass(frozen=True)
class DeploymentLimits:
    """What one deployment on demand takes in a minute."""

    requests: int
    tokens: int


@dataclass(frozen=True)
class ModelSpec:
    """A foundation model: its identifiers, regions, limits and prices."""

    key: str
    name: str
    provider: str
    model_id: str  # for inference on demand
    customization_id: str | None = None  # with its context length; for jobs and throughput
    regions: tuple[str, ...] = ()  # where it can be tuned, and its custom models served
    on_demand: tuple[str, ...] = ()  # where its own id can be asked
    profiles: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # prefix -> where called
    customizations: tuple[str, ...] = ("FINE_TUNING", "DISTILLATION")  # as the API says
    has_throughput: bool = True  # custom models of it can have provisioned throughput
    quota_subject: str = ""  # whom its quota of model units is "for"
    quota_code: str | None = None  # of model units; None: not known
    deployment_limits: DeploymentLimits | None = None  # None: not served on demand
    legacy: datetime | None = None  # as documented
    api_lag: timedelta | None = timedelta(0)  # of the API behind that date; None: it is not there
    end_of_life: datetime | None = None
    ranges: Ranges = field(default_factory=dict)
    default_batch: int = USUAL_BATCH  # where the service does not say its own, or has one only
    record_format: RecordFormat = "converse"
    trains_on_reasoning: bool = False
    refused_words: tuple[str, ...] = ()  # in what a system or a user says
    min_records: int = 8  # of training
    min_validation_records: int = 1  # of a file that is given
    min_total_records: int = 0  # of training and validation
    max_records: int = 20_000
    max_validation_records: int = 20_000
    max_total_records: int = 20_000
    usd_per_unit_hour: float | None = None
    usd_per_1k_training_tokens: float | None = None
    token_price: TokenPrice | None = None  # on demand in one region, and of its deployments
    max_answer_tokens: int = 10_000
    ms_per_token: float = 8.0  # of an answer; an order of magnitude by size, AWS publishes none
    us_profile_surcharge: float = 0.0  # on that, where it is asked through a "us." profile

    def price_through(self, profile: str) -> TokenPrice | None:
        """Return the price of tokens through a profile's prefix, or through the bare id."""
        if self.token_price is None or profile != "us.":
            return self.token_price
        factor = 1 + self.us_profile_surcharge
        return TokenPrice(self.token_price.input * factor, self.token_price.output * factor)

    def is_sold_by_the_hour(self, region: str) -> bool:
        return self.has_throughput and region in self.regions

    def called_from(self, region: str) -> bool:
        """Say whether it can be asked in the region, by its id or through a profile."""
        return region in self.on_demand or any(region in each for each in self.profiles.values())

    def knows(self, model_id: str, region: str) -> bool:
        """Say whether the region lists the id: a base model's, or the one with context length."""
        if model_id == self.customization_id:
            return region in self.regions or region in self.on_demand
        return self.called_from(region)

    def arn(self, region: str) -> str:
        return (
            f"arn:aws:bedrock:{region}::foundation-model/{self.customization_id or self.model_id}"
        )


def _day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _nova(key: str, name: str, model_id: str, context: str, price: TokenPrice) -> ModelSpec:
    length = f"the {context} context length variant for"
    return ModelSpec(
        key=key,
        name=name,
        provider="Amazon",
        model_id=model_id,
        customization_id=f"{model_id}:{context}",
        regions=("us-east-1",),
        on_demand=("us-east-1",),
        profiles={"us.": _US, "eu.": _EU, "apac.": _APAC},
        quota_subject=f"{length} Amazon {name}",
        deployment_limits=DeploymentLimits(requests=2_000, tokens=4_000_000),
        ranges={
            "epochCount": (2, 1, 5),
            "learningRate": (1e-5, 1e-6, 1e-4),
            "learningRateWarmupSteps": (10, 0, 100),
        },
        refused_words=("User:", "Bot:", "Assistant:", "System:", "<image>", "<video>", "[EOS]"),
        usd_per_unit_hour=60.5,
        token_price=price,
    )


def _llama(key: str, name: str, model_id: str, usd: float, training: float) -> ModelSpec:
    return ModelSpec(
        key=key,
        name=name,
        provider="Meta",
        model_id=model_id,
        customization_id=f"{model_id}:128k",
        regions=("us-west-2",),
        on_demand=("us-west-2",),
        profiles={"us.": _US},
        quota_subject=f"Meta {name}",
        legacy=_day("2026-10-05"),  # on its card; the API says ACTIVE
        api_lag=None,
        end_of_life=_day("2027-03-30"),
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
        max_answer_tokens=8_192,
        token_price=TokenPrice(usd, usd),
    )


MODELS = (
    ModelSpec(
        key="claude-3-haiku",
        name="Claude 3 Haiku",
        provider="Anthropic",
        model_id="anthropic.claude-3-haiku-20240307-v1:0",
        customization_id="anthropic.claude-3-haiku-20240307-v1:0:200k",
        regions=("us-west-2",),
        on_demand=("us-east-1", "us-west-2"),
        profiles={"us.": _US},
        customizations=("FINE_TUNING",),
        quota_subject="Anthropic Claude 3 Haiku 200K",
        legacy=_day("2026-03-10"),
        api_lag=timedelta(days=11),
        end_of_life=_day("2026-09-10"),
        ranges={
            "epochCount": (2, 1, 10),
            "batchSize": (32, 4, 256),
            "learningRateMultiplier": (1, 0.1, 2),
            "earlyStoppingThreshold": (0.001, 0, 0.1),
            "earlyStoppingPatience": (2, 1, 10),
        },
        record_format="claude-messages",
        refused_words=("\nHuman:", "\nAssistant:"),  # those of its cookbook on Bedrock
        min_records=32,
        min_validation_records=32,  # the published report
        max_records=10_000,
        max_validation_records=1_000,
        max_total_records=10_000,
        usd_per_unit_hour=132.0,
        max_answer_tokens=4_096,
        token_price=TokenPrice(0.25, 1.25),
    ),
    replace(
        _nova(
            "nova-micro", "Nova Micro", "amazon.nova-micro-v1:0", "128k", TokenPrice(0.035, 0.14)
        ),
        usd_per_1k_training_tokens=0.001,
        ms_per_token=4.0,
    ),
    _nova("nova-lite", "Nova Lite", "amazon.nova-lite-v1:0", "300k", TokenPrice(0.06, 0.24)),
    replace(
        _nova("nova-pro", "Nova Pro", "amazon.nova-pro-v1:0", "300k", TokenPrice(0.8, 3.2)),
        customizations=("FINE_TUNING", "DISTILLATION", "PREFERENCE_FINE_TUNING"),
        deployment_limits=DeploymentLimits(requests=200, tokens=800_000),
        ms_per_token=11.0,
    ),
    replace(
        _nova(
            "nova-2-lite",
            "Nova 2 Lite",
            "amazon.nova-2-lite-v1:0",
            "256k",
            TokenPrice(0.3, 2.5),
        ),
        usd_per_1k_training_tokens=0.00378,
        us_profile_surcharge=0.1,
        max_answer_tokens=64_000,
        on_demand=(),
        profiles={"us.": _US, "global.": _US},
        customizations=("FINE_TUNING",),
        quota_subject="Amazon Nova 2 Lite V1.0 256K",
        min_records=200,
        max_validation_records=0,
        trains_on_reasoning=True,
    ),
    replace(
        _llama(
            "llama-3-1-8b",
            "Llama 3.1 8B Instruct",
            "meta.llama3-1-8b-instruct-v1:0",
            usd=0.22,
            training=0.00149,
        ),
        quota_code="L-3632DE15",
        usd_per_unit_hour=24.0,
    ),
    replace(
        _llama(
            "llama-3-1-70b",
            "Llama 3.1 70B Instruct",
            "meta.llama3-1-70b-instruct-v1:0",
            usd=0.72,
            training=0.00799,
        ),
        ms_per_token=18.0,
        usd_per_unit_hour=24.0,
    ),
    replace(
        _llama(
            "llama-3-3-70b",
            "Llama 3.3 70B Instruct",
            "meta.llama3-3-70b-instruct-v1:0",
            usd=0.72,
            training=0.0033,
        ),
        ms_per_token=18.0,
        on_demand=("us-east-2",),
        has_throughput=False,
        deployment_limits=DeploymentLimits(requests=4, tokens=300_000),
        record_format="converse",
    ),
    ModelSpec(
        key="claude-haiku-4-5",
        name="Claude Haiku 4.5",
        provider="Anthropic",
        model_id="anthropic.claude-haiku-4-5-20251001-v1:0",
        profiles={"us.": _US, "eu.": _EU, "global.": (*_US, *_EU, *_APAC)},
        max_answer_tokens=64_000,
        token_price=TokenPrice(1.0, 5.0),
        us_profile_surcharge=0.1,
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


def without_profile(identifier: str) -> tuple[str, str]:
    """Return the prefix of an inference profile's id ("us.", or none) and the model's own id."""
    prefix = next((prefix for prefix in _PROFILES if identifier.startswith(prefix)), "")
    return prefix, identifier.removeprefix(prefix)


def invocable(identifier: str) -> ModelSpec | None:
    """Find by an inference id: a bare id, an inference profile, or the ARN of either."""
    _, bare = without_profile(identifier.rpartition("/")[2])
    return next((model for model in MODELS if model.model_id == bare), None)


def status_of(model: ModelSpec, now: datetime, forced_legacy: tuple[str, ...]) -> str:
    """Return ACTIVE, LEGACY or EOL (no status of AWS: it stops listing the model), as the API does.

    That is not as the model's card says: the API's LEGACY comes later.
    """
    if model.end_of_life and now >= model.end_of_life:
        return "EOL"
    return "LEGACY" if model.key in forced_legacy or known_legacy(model, now) else "ACTIVE"


def known_legacy(model: ModelSpec, now: datetime) -> bool:
    """Say whether the API has the model's lifecycle dates by now."""
    return (
        model.legacy is not None
        and model.api_lag is not None
        and now >= model.legacy + model.api_lag
    )
