"""What is known of a model that can be tuned, and of a model that judges."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal

RecordFormat = Literal["claude-messages", "converse", "prompt-completion"]


@dataclass(frozen=True)
class Citation:
    """Where figures come from, and the day they were read there."""

    url: str
    read_on: date
    says: str


@dataclass(frozen=True)
class HyperparameterRange:
    """What a hyperparameter may be; bounds are inclusive."""

    default: float
    minimum: float
    maximum: float
    integer: bool

    def __str__(self) -> str:
        kind = "a whole number" if self.integer else "a number"
        return f"{kind} from {self.minimum:g} to {self.maximum:g}"


@dataclass(frozen=True)
class Limits:
    """The service's limits on a dataset; None where AWS documents no figure."""

    min_training_records: int
    max_training_records: int
    max_validation_records: int | None
    max_total_records: int | None
    max_tokens_per_record: int
    max_training_bytes: int | None
    max_validation_bytes: int | None
    min_total_records: int | None = None  # of training and validation together


@dataclass(frozen=True)
class Reserved:
    """Words that the model's own prompt format uses, and which speakers must not use them."""

    words: tuple[str, ...]
    roles: tuple[Literal["system", "user", "assistant"], ...]
    documented: bool = True  # False: only AWS's published validator refuses them


@dataclass(frozen=True)
class Inference:
    """How a foundation model is asked: by its own id, or through an inference profile."""

    model_id: str  # what Converse takes
    foundation_model_id: str
    regions: tuple[str, ...] = ()  # where a profile may send the request; empty: no profile

    @property
    def is_profile(self) -> bool:
        return bool(self.regions)

    def available_in(self, region: str) -> bool:
        """Say whether a call from `region` is possible as far as the catalogue knows."""
        return not self.is_profile or region in self.regions

    def profile_arn(self, *, region: str, account: str) -> str | None:
        if not self.is_profile:
            return None
        return f"arn:aws:bedrock:{region}:{account}:inference-profile/{self.model_id}"

    def foundation_model_arns(self, *, region: str) -> tuple[str, ...]:
        """Return what a caller in `region` must be allowed to invoke, in every destination."""
        return tuple(
            f"arn:aws:bedrock:{each}::foundation-model/{self.foundation_model_id}"
            for each in self.regions or (region,)
        )


@dataclass(frozen=True)
class Model:
    """A model that can be fine-tuned."""

    key: str
    name: str
    provider: str
    customization_model_id: str  # with its context suffix: jobs and throughput only
    base_inference: Inference
    record_format: RecordFormat
    customization_regions: tuple[str, ...]
    hyperparameters: Mapping[str, HyperparameterRange]
    limits: Limits
    reserved: tuple[Reserved, ...]
    sources: tuple[Citation, ...]
    has_throughput: bool = True  # AWS sells provisioned throughput for its custom models
    end_of_life: date | None = None  # None while AWS has announced none

    def customization_model_arn(self, *, region: str) -> str:
        """Return the ARN that CreateModelCustomizationJob and GetFoundationModel act on."""
        return f"arn:aws:bedrock:{region}::foundation-model/{self.customization_model_id}"


@dataclass(frozen=True)
class Judge:
    """A model that scores answers."""

    key: str
    name: str
    inference: Inference
