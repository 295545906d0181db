"""Execution input: schema and defaults.

`ExecutionInput` parses the input; the published JSON Schema and `docs/execution-input.md` are
generated from it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from math import ceil, log2
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)
from pydantic_core import ErrorDetails

from lambdas.domain.errors import InputInvalid
from lambdas.domain.models.catalogue import JUDGES, MODELS, UNTUNED
from lambdas.domain.models.lookup import find_model, nearest, unknown
from lambdas.domain.models.model import HostingKind, HyperparameterRange, Model

ModelT = TypeVar("ModelT", bound=BaseModel)

MetricName = Literal["judge", "exact-match", "label-f1", "json-schema"]
JudgePrompt = Literal["auto", "en", "ja"]

COMMENT = "Comment"
AUTO = "auto"
FEW_SHOT = "few-shot"  # the base model, with training examples in its prompt
_SHOWN_CHARACTERS = 80
_REFUSED = "the execution input is refused:\n"


def _number(value: object) -> object:
    # pydantic would accept true as 1 and "8" as 8; JSON Schema does not.
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("not a number")  # noqa: TRY004  # pydantic reports ValueErrors only
    return value


def _model(key: str) -> str:
    if key not in MODELS:
        raise ValueError(unknown("model", key, MODELS))
    return key


def _judge(key: str) -> str:
    if key not in JUDGES:
        raise ValueError(unknown("judge", key, JUDGES))
    return key


def _comparable(keys: list[str]) -> list[str]:
    known = (FEW_SHOT, *UNTUNED)
    if refused := next((key for key in keys if key not in known), None):
        raise ValueError(unknown("model to compare with", refused, known))
    if twice := next((key for key in keys if keys.count(key) > 1), None):
        raise ValueError(f"{twice} is listed twice: name it once")
    return keys


# AWS's Haiku notebook says 20 to 30: with less, a run trains, buys, and fails.
LEAST_PROVISIONING_MINUTES = 20
# For how long a run waits where its input does not say. Throughput: twice what that notebook says.
# Deployments: about 8 were seen, AWS's nova-forge-sdk says 30 to 45 (both read 2026-11-28).
PROVISIONING_MINUTES: Mapping[HostingKind, float] = {"provisioned": 60, "on-demand": 60}
WholeNumber = Annotated[int, BeforeValidator(_number)]
Number = Annotated[float, BeforeValidator(_number)]


_NAMED = {
    "type": "object",
    "additionalProperties": False,
    "properties": {name: {} for model in MODELS.values() for name in model.hyperparameters},
}
GivenHyperparameters = Annotated[
    dict[str, int | float | str], WithJsonSchema({"anyOf": [{"enum": [AUTO]}, _NAMED]})
]


class Settings(BaseModel):
    """The fields that an environment sets and an execution may override."""

    model_config = ConfigDict(frozen=True)

    dataset: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$",
        description="Folder under datasets/ in the artefact bucket with training.jsonl, "
        "evaluation.jsonl and, optionally, validation.jsonl, general.jsonl and answer.schema.json, "
        "each of 5 GiB at most. The run copies them before it checks them, and later uploads do "
        "not change it.",
        examples=["default"],
    )
    model: str = Field(
        description="Catalogue key of the model to tune.",
        json_schema_extra={"enum": [*sorted(MODELS)]},
        examples=["nova-micro"],
    )
    hyperparameters: GivenHyperparameters = Field(
        default_factory=dict,
        description="Hyperparameters of the model, each a number or the number as text. One that "
        "is not given takes the environment's value if that is for the same model, otherwise what "
        "is advised for so many training records or, without advice, the model's default; auto "
        "leaves all of them to that. The quote says what was chosen, and why.",
        examples=[{"epochCount": 3}],
    )
    system_prompt: Annotated[str, Field(min_length=1, pattern=r"\S")] | None = Field(
        description="System prompt for the questions; null takes the one in the training data.",
        examples=["Answer in one sentence."],
    )
    hosting: Literal["cheapest", "on-demand", "provisioned"] = Field(
        description="How the tuned model is served: on demand, billed by the token; by provisioned "
        "throughput, billed by the hour; or by what is cheapest for this run, of what the model "
        "and the region can do. A run never changes to the dearer kind by itself.",
        examples=["cheapest"],
    )
    keep_hours: WholeNumber = Field(
        ge=0,
        le=168,
        description="Hours for which a deployment on demand stays at least after a run that "
        "succeeded, to try the model by hand, and a few more if it was created and asked quickly; "
        "0 deletes it at once. It costs nothing while nobody asks.",
        examples=[24],
    )
    model_units: WholeNumber = Field(
        ge=1,
        le=10,
        description="Model units of provisioned throughput; each bills by the hour.",
        examples=[1],
    )
    hold_minutes: WholeNumber = Field(
        ge=0,
        le=1440,
        description="Minutes to keep the tuned model in service after its answers, to try it by "
        "hand. The throughput bills during that time; on demand keep_hours is what counts.",
        examples=[0],
    )
    metric: MetricName = Field(
        description="What decides: judge, a model's scores of correctness from 1 to 10 against the "
        "reference; exact-match, the share of answers that are the reference, but for case, "
        "width, blanks, quotes around it and punctuation at its end; label-f1, the macro-F1 over "
        "the labels that the references are; json-schema, the share of answers that are JSON "
        "which the dataset's answer.schema.json allows. All but the first ask no judge.",
        examples=["exact-match"],
    )
    judge_model: str = Field(
        description="Catalogue key of the model that scores the answers, if the metric is judge, "
        "and that reviews the training data.",
        json_schema_extra={"enum": [*sorted(JUDGES)]},
        examples=["nova-pro"],
    )
    judge_prompt: JudgePrompt = Field(
        description="Language of what the judge is told to do; auto takes Japanese where the "
        "texts that it reads are mostly Japanese, and English otherwise.",
        examples=["auto"],
    )
    also_compare: list[str] = Field(
        default_factory=list,
        description="What else answers the same questions, untuned, and is judged, so that the "
        "report can say whether tuning was worth it: models of the catalogue, which the account "
        f"must be able to ask, and {FEW_SHOT}, the base model with a few training examples in its "
        "prompt. Each is in the quote.",
        json_schema_extra={
            "items": {"enum": [FEW_SHOT, *sorted(UNTUNED)]},
            "uniqueItems": True,
        },
        examples=[[FEW_SHOT, "nova-lite"]],
    )
    max_answer_tokens: WholeNumber = Field(
        ge=1,
        le=4096,
        description="Most tokens of one answer; 4096 is the most that Claude 3 Haiku gives.",
        examples=[512],
    )
    max_failed_answers_percent: Number = Field(
        ge=0,
        le=100,
        description="The run fails if a larger share of the answers, or of the judgements, fails.",
        examples=[5],
    )
    max_training_hours: Number = Field(
        ge=0.1,
        le=168,
        description="The job is stopped and the run fails after this many hours of training.",
        examples=[24],
    )
    max_phase_hours: Number = Field(
        ge=0.1,
        le=168,
        description="The job counts as stuck and is stopped after this many hours in one phase.",
        examples=[12],
    )
    max_provisioning_minutes: (
        Annotated[float, Field(ge=LEAST_PROVISIONING_MINUTES, le=240), BeforeValidator(_number)]
        | None
    ) = Field(
        default=None,
        description="The hosting is released and the run fails if it is not ready by then; null "
        "waits as long as its kind takes at most: "
        f"{PROVISIONING_MINUTES['provisioned']:g} minutes for throughput, of which none is known "
        f"to be in service in less than {LEAST_PROVISIONING_MINUTES}, and "
        f"{PROVISIONING_MINUTES['on-demand']:g} for a deployment on demand.",
        examples=[60],
    )
    max_cost_usd: Number = Field(
        gt=0,
        le=100_000,
        description="The run is refused, before it spends anything, if it could cost more US "
        "dollars than this. An execution may set a lower ceiling than the environment's, never a "
        "higher one.",
        examples=[200],
    )
    review_data: bool = Field(
        strict=True,
        description="Before anything is trained, have the judge model review the training data: "
        "is each answer correct, grounded, clear, and consistent with the system prompt?",
        examples=[True],
    )
    min_review_score: Annotated[float, Field(ge=1, le=10), BeforeValidator(_number)] | None = Field(
        description="With review_data: the run stops before training if the mean score, 1 to 10, "
        "is lower; null only reports the scores.",
        examples=[6],
    )
    max_review_usd: Number = Field(
        gt=0,
        le=100,
        description="Most US dollars that the review may cost; of a dataset that would cost "
        "more, evenly spread records are reviewed. It counts towards max_cost_usd.",
        examples=[2],
    )
    require_approval: bool = Field(
        strict=True,
        description="Before anything is spent, wait until a person approves the quote. An "
        "execution may require it even if the environment does not, but cannot waive it.",
        examples=[False],
    )

    @field_validator("max_provisioning_minutes", mode="before")
    @classmethod
    def _long_enough(cls, given: object) -> object:
        number = isinstance(given, int | float) and not isinstance(given, bool)
        if number and float(str(given)) < LEAST_PROVISIONING_MINUTES:
            raise ValueError(
                f"{given} minutes are too few: no throughput is known to be in service in less "
                f"than {LEAST_PROVISIONING_MINUTES}, so the run would train, buy one and fail. "
                f"Give {LEAST_PROVISIONING_MINUTES} to 240"
            )
        return given

    _known_model = field_validator("model")(_model)
    _known_judge = field_validator("judge_model")(_judge)
    _known_others = field_validator("also_compare")(_comparable)

    @field_validator("hyperparameters", mode="before")
    @classmethod
    def _known_hyperparameters(cls, given: object, info: ValidationInfo) -> object:
        if given == AUTO:
            return {}
        model = info.data.get("model")
        if model is None or not isinstance(given, Mapping):
            return given
        problems = _hyperparameter_problems(find_model(model), given)
        if problems:
            raise ValueError("; ".join(each.rstrip(".") for each in problems))
        return given

    def provisioning_minutes(self, kind: HostingKind) -> float:
        """Return for how long a run waits for its hosting of this kind."""
        given = self.max_provisioning_minutes
        return PROVISIONING_MINUTES[kind] if given is None else given


class ExecutionInput(Settings):
    """An execution's input, the rest from the environment's defaults; no unknown fields."""

    model_config = ConfigDict(extra="forbid")

    comment: str = Field(
        default="",
        alias=COMMENT,
        description="Free text, ignored; the console pre-fills it.",
        examples=["Try three epochs"],
    )
    tuned_by_run: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,40}$")] | None = Field(
        default=None,
        description="A run of this environment whose model still exists: nothing is trained, and "
        "that model is hosted, asked and judged, with the evaluation file of the dataset and the "
        "training data of that run. Without a model in the input it is that run's. Takes no "
        "hyperparameters, and no review of the training data.",
        examples=["first-1a2b3c4d5e6f"],
    )
    answers_of_run: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,40}$")] | None = Field(
        default=None,
        description="A run of this environment with the answers of both its models, also one that "
        "failed later: they are judged again, by this input's judge, and nothing is trained, "
        "hosted or answered. Model, data and system prompt are that run's. Takes no other field "
        "that is for training, hosting or answering.",
        examples=["first-1a2b3c4d5e6f"],
    )


class ExecutionDefaults(Settings):
    """An environment's value for every field: the table [defaults]; unknown ones are refused."""

    model_config = ConfigDict(extra="forbid")

    models_past_end: list[str] = Field(default_factory=list)  # private arrangement with AWS
    approval_hours: Number = Field(ge=0.1, le=168)  # without a decision by then: rejected
    fail_on_warnings: list[str] = Field(default_factory=list)  # codes that refuse a dataset
    # Fewer refuse the dataset; absent: as many as can be decisive at `verdict_confidence`.
    min_evaluation_questions: Annotated[WholeNumber, Field(ge=1)] | None = None
    verdict_confidence: Number = Field(ge=0.8, le=0.999)
    verdict_margin_percent: Number = Field(gt=0, le=50)  # of the score's scale

    @property
    def least_questions(self) -> int:
        """How many evaluation questions a run needs: all won, the sign test must be decisive."""
        if self.min_evaluation_questions is not None:
            return self.min_evaluation_questions
        return ceil(log2(2 / (1 - self.verdict_confidence)))

    @field_validator("models_past_end")
    @classmethod
    def _known_models(cls, keys: list[str]) -> list[str]:
        return [_model(key) for key in keys]

    @classmethod
    def parse(cls, raw: Mapping[str, object]) -> Self:
        """Parse a table of defaults, or raise InputInvalid with one line a problem."""
        return parse(cls, raw)


def resolve(raw: Mapping[str, object], defaults: ExecutionDefaults) -> ExecutionInput:
    """Fill an execution's input with the environment's defaults.

    The environment's hyperparameters apply to the environment's model only.

    Raises
    ------
    InputInvalid
        Lists every unknown or out-of-range field with its allowed values.
    """
    inherited = {name: getattr(defaults, name) for name in Settings.model_fields}
    own = raw.get("model", defaults.model)
    trains = raw.get("tuned_by_run") is None and raw.get("answers_of_run") is None
    asks = raw.get("answers_of_run") is None
    inherited["also_compare"] = [key for key in defaults.also_compare if asks and key != own]
    if own != defaults.model or not trains:
        inherited["hyperparameters"] = {}
    if not trains:
        inherited |= {"review_data": False, "min_review_score": None}
    merged = inherited | dict(raw)
    merged["hyperparameters"] = _overlaid(inherited["hyperparameters"], raw)
    settings = parse(ExecutionInput, merged, _REFUSED)
    if refused := [*_loosened(settings, defaults), *_unheeded(settings, raw)]:
        raise InputInvalid(_REFUSED + "\n".join(refused))
    return settings


def parse(model: type[ModelT], raw: Mapping[str, object], opening: str = "") -> ModelT:
    """Parse what a person wrote, or raise InputInvalid with one line a problem."""
    try:
        return model.model_validate(dict(raw))
    except ValidationError as error:
        raise InputInvalid(opening + "\n".join(explain(error, model, raw))) from None


def parse_input(model: type[ModelT], raw: Mapping[str, object], what: str) -> ModelT:
    """Parse the input of another machine, as `parse` does; the console's `Comment` is ignored."""
    given = {key: value for key, value in raw.items() if key != COMMENT}
    return parse(model, given, f"the {what} is refused:\n")


def _loosened(settings: Settings, defaults: ExecutionDefaults) -> Iterable[str]:
    """Yield each limit on spending that the input would loosen."""
    if settings.max_cost_usd > defaults.max_cost_usd:
        yield (
            f"max_cost_usd is {settings.max_cost_usd:g}: give at most {defaults.max_cost_usd:g}, "
            "the environment's ceiling, or have it raised in environments/"
        )
    if defaults.require_approval and not settings.require_approval:
        yield "require_approval is false: this environment requires approval of every run"


def _unheeded(settings: ExecutionInput, raw: Mapping[str, object]) -> Iterable[str]:
    """Yield each field of the input that would have no effect."""
    # Until the tuned model of another run is looked up, the model may be only the environment's.
    is_known = settings.tuned_by_run is None or "model" in raw
    if is_known and settings.model in settings.also_compare:
        yield (
            f"also_compare has {settings.model}, the model of this run itself, which is always "
            "compared as it was before tuning: leave it out"
        )
    of_training = [name for name in _OF_TRAINING if raw.get(name) not in ({}, None, False, AUTO)]
    if settings.answers_of_run is not None:
        of_model = ["tuned_by_run"] if settings.tuned_by_run else []
        of_answers = [name for name in _OF_ANSWERS if name in raw]
        for name in [*of_model, *of_training, *of_answers]:
            yield (
                f"{name} has no effect with answers_of_run, which trains, hosts and asks no model "
                "but the judge: leave it out"
            )
        return
    if settings.tuned_by_run is not None:
        for name in of_training:
            yield f"{name} has no effect with tuned_by_run, which trains nothing: leave it out"
        return
    if raw.get("min_review_score") is not None and not settings.review_data:
        yield (
            f"min_review_score is {settings.min_review_score:g}, and review_data is false: nothing "
            'would be reviewed. Give "review_data": true as well'
        )


def explain(error: ValidationError, model: type[BaseModel], raw: Mapping[str, object]) -> list[str]:
    """Return each problem as one line: field, given value, allowed values, what to do."""
    properties = model.model_json_schema()["properties"]
    tuned = MODELS.get(str(raw.get("model"))) if "hyperparameters" in properties else None
    lines = (_explained(each, properties, tuned) for each in error.errors(include_url=False))
    return list(dict.fromkeys(lines))


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of an execution's input; every field is optional."""
    schema = ExecutionInput.model_json_schema()
    properties = {name: _published(each) for name, each in schema["properties"].items()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Execution input",
        "description": "Input of one execution of the state machine. Every field is optional; "
        "absent fields take the environment's default.",
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
        "allOf": [
            *(_when_model(model) for model in MODELS.values()),
            _WHEN_NOT_REVIEWED,
            _WHEN_TUNED,
            _WHEN_ANSWERED,
        ],
    }


def _published(field: dict[str, Any]) -> dict[str, Any]:
    # The code's default would mislead: an absent field takes the environment's.
    return {key: value for key, value in field.items() if key not in {"title", "default"}}


_OF_TRAINING = ("hyperparameters", "review_data", "min_review_score")
_OF_ANSWERS = (
    "also_compare",
    "hosting",
    "keep_hours",
    "model_units",
    "hold_minutes",
    "max_answer_tokens",
    "max_training_hours",
    "max_phase_hours",
    "max_provisioning_minutes",
    "max_review_usd",
)
_NOT_TRAINED = {
    "hyperparameters": {"maxProperties": 0},
    "review_data": {"const": False},
    "min_review_score": {"type": "null"},
}
_WHEN_TUNED = {
    "if": {"properties": {"tuned_by_run": {"type": "string"}}, "required": ["tuned_by_run"]},
    "then": {"properties": _NOT_TRAINED},
}
_WHEN_ANSWERED = {
    "if": {"properties": {"answers_of_run": {"type": "string"}}, "required": ["answers_of_run"]},
    "then": {
        "properties": {
            **_NOT_TRAINED,
            "tuned_by_run": {"type": "null"},
            **dict.fromkeys(_OF_ANSWERS, False),
        }
    },
}
_WHEN_NOT_REVIEWED = {
    "if": {"properties": {"review_data": {"const": False}}, "required": ["review_data"]},
    "then": {"properties": {"min_review_score": {"type": "null"}}},
}


def _when_model(model: Model) -> dict[str, Any]:
    """Bind the hyperparameters' names and ranges to the input's model."""
    named = {"properties": {"model": {"const": model.key}}, "required": ["model"]}
    allowed = {
        "additionalProperties": False,
        "properties": {name: _schema_of(each) for name, each in model.hyperparameters.items()},
    }
    return {"if": named, "then": {"properties": {"hyperparameters": allowed}}}


def _schema_of(allowed: HyperparameterRange) -> dict[str, Any]:
    number = {
        "type": "integer" if allowed.integer else "number",
        "minimum": allowed.minimum,
        "maximum": allowed.maximum,
        "default": allowed.default,
    }
    return {"anyOf": [number, {"type": "string", "pattern": _pattern(allowed)}]}


def _overlaid(inherited: Mapping[str, object], raw: Mapping[str, object]) -> object:
    given = raw.get("hyperparameters", {})
    return {**inherited, **given} if isinstance(given, Mapping) else given


def _hyperparameter_problems(model: Model, given: Mapping[object, object]) -> list[str]:
    problems = []
    for name, value in given.items():
        allowed = model.hyperparameters.get(str(name))
        if allowed is None:
            problems.append(
                unknown(f"hyperparameter of {model.name}", str(name), model.hyperparameters)
            )
        elif not _within(value, allowed):
            problems.append(f"{name} is {_shown(value)}: give {allowed}")
    return problems


def _within(value: object, allowed: HyperparameterRange) -> bool:
    if isinstance(value, str) and not re.search(_pattern(allowed), value):
        return False
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return False
    number = float(value) if isinstance(value, str) else value
    return allowed.minimum <= number <= allowed.maximum and (
        not allowed.integer or number == int(number)
    )


def _pattern(allowed: HyperparameterRange) -> str:
    """Return what a hyperparameter given as text must match; at most 20 digits, so it is finite."""
    return (
        r"^[0-9]{1,20}$" if allowed.integer else r"^[0-9]{0,20}\.?[0-9]{1,20}([eE]-?[0-9]{1,2})?$"
    )


def _explained(problem: ErrorDetails, properties: Mapping[str, Any], tuned: Model | None) -> str:
    field = str(problem["loc"][0]) if problem["loc"] else "input"
    given = _shown(problem["input"])
    if problem["type"] == "extra_forbidden":
        misplaced = tuned and _misplaced(field, problem["input"], properties, tuned)
        return misplaced or _unknown_field(field, properties)
    if problem["type"] == "missing":
        return f"{field} is missing: give {allowed_values(properties[field])}"
    reason = problem.get("ctx", {}).get("error")
    if reason is not None and str(reason) != "not a number":
        return f"{field}: {reason}"
    return f"{field} is {given}: give {allowed_values(properties[field])}"


def _misplaced(field: str, given: object, fields: Iterable[str], tuned: Model) -> str | None:
    """Return what to write for a hyperparameter at the top level; None if it resembles none."""
    hyperparameters = {name for model in MODELS.values() for name in model.hyperparameters}
    guess = nearest(field, [*fields, *hyperparameters])
    if guess not in hyperparameters:
        return None
    if guess in tuned.hyperparameters:
        example = _shown({"hyperparameters": {guess: given}})
        return f"{field} belongs in hyperparameters: give {example}"
    known = ", ".join(tuned.hyperparameters)
    return (
        f"{field} is not a field, nor a hyperparameter of {tuned.name}, which takes, in "
        f"hyperparameters: {known}"
    )


def _unknown_field(field: str, known: Iterable[str]) -> str:
    names = list(known)
    guess = nearest(field, names)
    hint = f"Did you mean {guess!r}? " if guess else ""
    return f"{field} is not a known field. {hint}Known: {', '.join(names)}"


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=repr)
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…"


_KINDS = {
    "integer": "a whole number",
    "number": "a number",
    "object": "an object of names and numbers",
    "string": "text",
    "array": "a list",
    "boolean": "true or false",
    "null": "null",
}


def allowed_values(field: Mapping[str, Any]) -> str:
    """Describe a field's allowed values from its JSON Schema."""
    if "anyOf" in field:
        return " or ".join(allowed_values(each) for each in field["anyOf"])
    if "enum" in field:
        return "one of " + ", ".join(field["enum"]) if field["enum"][1:] else field["enum"][0]
    kind = _KINDS[field["type"]]
    if options := field.get("items", {}).get("enum"):
        return f"{kind} of some of {', '.join(options)}"
    if "maximum" in field:
        least = field.get("minimum")
        above = f"above {field['exclusiveMinimum']:g} up" if least is None else f"from {least:g}"
        return f"{kind} {above} to {field['maximum']:g}"
    if field.get("pattern") == r"\S":
        return f"{kind} that is not blank"
    return kind + (f" that matches {field['pattern']}" if "pattern" in field else "")
