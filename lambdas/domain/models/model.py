"""What is known of a model that can be tuned, and of a model that judges.

`families/*.toml` holds the figures, `catalogue.py` reads them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, StringConstraints, model_validator

RecordFormat = Literal["claude-messages", "converse", "prompt-completion"]
HostingKind = Literal["provisioned", "on-demand"]
# What a hyperparameter is for, whatever the model calls it; one without a role keeps its default.
HyperparameterRole = Literal[
    "epochs", "batch-size", "learning-rate-multiplier", "warmup-steps", "early-stopping-patience"
]


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Citation(_Data):
    """Where figures come from, and the day they were read there."""

    url: str
    read_on: date
    note: str = ""


class HyperparameterRange(_Data):
    """What a hyperparameter may be; bounds are inclusive."""

    default: float
    minimum: float
    maximum: float
    integer: bool = False
    role: HyperparameterRole | None = None
    records_per_step: int | None = None  # of warmup-steps, as the provider advises

    def __str__(self) -> str:
        kind = "a whole number" if self.integer else "a number"
        return f"{kind} from {self.minimum:g} to {self.maximum:g}"


class Limits(_Data):
    """The service's limits on a dataset; None where AWS documents no figure."""

    min_training_records: int
    max_training_records: int
    min_validation_records: int = 1  # of a file that is given
    max_validation_records: int | None = None  # 0: the model takes no validation file
    min_total_records: int | None = None  # of training and validation together
    max_total_records: int | None = None
    max_tokens_per_record: int
    max_training_bytes: int | None = None
    max_validation_bytes: int | None = None


class Reserved(_Data):
    """Words that the model's own prompt format uses, and which speakers must not use them."""

    words: tuple[str, ...]
    roles: tuple[Literal["system", "user", "assistant"], ...]
    documented: bool  # False: only AWS's published validator refuses them, in any case of letters


class Inference(_Data):
    """How a foundation model is asked: by its own id, or through an inference profile."""

    foundation_model_id: str
    regions: tuple[str, ...] = ()  # where a profile may send the request; empty: no profile

    @property
    def model_id(self) -> str:
        """What Converse takes."""
        return f"us.{self.foundation_model_id}" if self.is_profile else self.foundation_model_id

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


class Hosting(_Data):
    """A way to serve the custom models; its limits are of one deployment, None where unknown."""

    regions: tuple[str, ...]
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None


class Lifecycle(_Data):
    """The dates of AWS's pages; None while none is announced. The API may lag behind them."""

    inferred: bool = False  # the dates are on no page of AWS: they warn, and close nothing
    legacy: date | None = None  # from then on neither a new job nor new throughput
    end_of_life: date | None = None

    def closed_on(self, day: date) -> date | None:
        """Return since when no new job can be started on that day; None if one can."""
        return None if self.inferred else self.begun_on(day)

    def begun_on(self, day: date) -> date | None:
        """Return the first of the dates that has come by that day; None if none has."""
        dates = [each for each in (self.legacy, self.end_of_life) if each and each <= day]
        return min(dates, default=None)


class Model(_Data):
    """A model that can be fine-tuned."""

    key: str
    name: str
    provider: str
    model_id: str
    # The suffix that jobs and throughput need, which is how much they can read and say at once.
    context: Annotated[str, StringConstraints(pattern=r"^[0-9]+[km]$")]  # such as 128k
    profile_regions: tuple[str, ...] = ()
    record_format: RecordFormat
    trains_on_reasoning: bool = False  # an answer may have `reasoningContent`
    customization_regions: tuple[str, ...]
    hyperparameters: Mapping[str, HyperparameterRange]
    limits: Limits
    reserved: tuple[Reserved, ...]
    hosting: Mapping[HostingKind, Hosting]
    lifecycle: Lifecycle
    sources: Mapping[str, Citation]  # by the field that the figures are of; hosting by its kind

    @model_validator(mode="after")
    def _check_sources(self) -> Self:
        facts = ["ids", "record_format", "limits", "hyperparameters", "lifecycle", *self.hosting]
        missing = {*facts, *(["reserved"] if self.reserved else [])} - self.sources.keys()
        if missing:
            raise ValueError(f"{self.key} lacks the sources of {', '.join(sorted(missing))}")
        return self

    @model_validator(mode="after")
    def _check_roles(self) -> Self:
        if not self.hyperparameter("epochs"):
            raise ValueError(f"{self.key} has no hyperparameter with the role epochs")
        return self

    @property
    def epochs(self) -> str:
        """The model's name for the number of epochs."""
        return str(self.hyperparameter("epochs"))

    def hyperparameter(self, role: HyperparameterRole) -> str | None:
        """Return the model's name for the hyperparameter of a role, or None if it has none."""
        return next((name for name, it in self.hyperparameters.items() if it.role == role), None)

    @property
    def context_tokens(self) -> int:
        """What its context holds at most: AWS does not say whether k is 1,000 or 1,024."""
        number, unit = self.context[:-1], self.context[-1]
        return int(number) * {"k": 1_024, "m": 1_024**2}[unit]

    @property
    def base_inference(self) -> Inference:
        return Inference(foundation_model_id=self.model_id, regions=self.profile_regions)

    @property
    def customization_model_id(self) -> str:
        """Its id for jobs and throughput only."""
        return f"{self.model_id}:{self.context}"

    def requests_per_minute(self, kind: HostingKind) -> int | None:
        """Return how often hosting of a kind may be asked; None: no limit is known."""
        found = self.hosting.get(kind)
        return found.requests_per_minute if found else None

    def hosted_in(self, region: str) -> tuple[HostingKind, ...]:
        """Return the kinds of hosting that its custom models have in a region."""
        return tuple(kind for kind, each in self.hosting.items() if region in each.regions)

    def customization_model_arn(self, *, region: str) -> str:
        """Return the ARN that CreateModelCustomizationJob and GetFoundationModel act on."""
        return f"arn:aws:bedrock:{region}::foundation-model/{self.customization_model_id}"


class Judge(_Data):
    """A model that scores answers."""

    key: str
    name: str
    provider: str
    model_id: str
    profile_regions: tuple[str, ...] = ()
    context_tokens: int | None = None  # of question, answers and judgement; None: unknown
    source: Citation

    @property
    def inference(self) -> Inference:
        return Inference(foundation_model_id=self.model_id, regions=self.profile_regions)


class Untuned(_Data):
    """A model of the catalogue as its provider made it."""

    key: str
    name: str
    provider: str
    inference: Inference
    regions: tuple[str, ...]  # from which it can be asked, as far as the catalogue knows

    def answers_in(self, region: str) -> bool:
        return region in self.regions
