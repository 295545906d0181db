"""The loader of environments: one reviewed TOML file each, parsed whole, for stacks and commands.

It imports neither aws_cdk nor boto3, so that every command may use it.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from pydantic_core import ErrorDetails

from lambdas.domain.cost.calculator import Calculator
from lambdas.domain.cost.needed_prices import missing_prices
from lambdas.domain.cost.price_book import PriceBook
from lambdas.domain.errors import InputInvalid
from lambdas.domain.evaluation.similarity.file_names import WEIGHTS_PATTERN
from lambdas.domain.models.catalogue import JUDGES, UNTUNED
from lambdas.domain.models.lookup import find_model, nearest, unknown
from lambdas.domain.run.arns import OFFLINE_ACCOUNT
from lambdas.domain.run.execution_input import FEW_SHOT, ExecutionDefaults
from lambdas.domain.run.names import PROJECT, EnvironmentName
from lambdas.validation import WARNINGS

FOLDER = Path(__file__).parent.parent / "environments"

# Bedrock's tags have the fewest characters, and CloudFormation's no empty value. AWS takes 50 a
# resource, of which a run's throughput needs four and a person one. API references of Bedrock and
# CloudFormation (Tag), IAM (CreateRole), read 2026-11-28.
_TAG_CHARACTERS = r"[A-Za-z0-9 ._:/=+@-]"
TagKey = Annotated[str, StringConstraints(pattern=rf"^{_TAG_CHARACTERS}{{1,128}}$")]
TagValue = Annotated[str, StringConstraints(pattern=rf"^{_TAG_CHARACTERS}{{1,256}}$")]
_MAX_TAGS = 45
_RESERVED = re.compile(rf"(?:aws|{PROJECT}):|(?:project|aws-cdk:.*)$", re.IGNORECASE)
_BOUNDARY = r"^(arn:aws:iam::([0-9]{12}|aws):policy/)?[A-Za-z0-9_+=,.@/-]{1,512}$"

# What can be typed: SNS takes nothing else, and refuses it only while it is deployed.
Email = Annotated[str, StringConstraints(pattern=r"^[!-?A-~]+@[!-?A-~]+\.[!-?A-~]+$")]
# CloudWatch Logs accepts only certain values; these are enough to choose from.
RetentionDays = Literal[1, 3, 5, 7, 14, 30, 60, 90, 180, 365, 731, 3653]


# Of the 4,096 bytes that Lambda has for all variables of a function (its Developer Guide,
# gettingstarted-limits, read 2026-11-28); names and ARNs take less than the rest.
MAX_VARIABLE_BYTES = 3_072

# awslabs/startups, ai-model-lifecycle.md, refuses models within as many days of their end.
_SOON = timedelta(days=90)


class EnvironmentInvalid(Exception):
    """The environment is unknown or its file is not valid; one line that says what to change."""


class _Table(BaseModel):
    # Strict: TOML has types, and true is no number.
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Storage(_Table):
    """The artefact bucket."""

    encryption: Literal["kms", "s3"]
    retain: bool  # outlives the stack; False: deleted with it, with all objects
    # At least as long as an execution can take: its data is among what expires.
    expire_runs_after_days: Annotated[int, Field(ge=21, le=3650)]


class Functions(_Table):
    """The Lambda functions; in the offline account they run on this machine's Python."""

    python: Literal["3.13"]
    architecture: Literal["arm64"]
    log_retention_days: RetentionDays
    tracing: bool


class Notifications(_Table):
    """Who learns of quotes that wait, of what still bills, and of how runs ended."""

    emails: list[Email]
    watched_without_mail: Annotated[str, StringConstraints(pattern=r"\S")] | None = None  # by whom


class Spending(_Table):
    """What watches the cost, in addition to the runs themselves."""

    monthly_budget_usd: Annotated[float, Field(ge=0.01, le=1_000_000_000)]
    reap_every_minutes: Annotated[int, Field(ge=5, le=60)]
    watch_purchases: bool  # mails commitments and untagged throughput; needs a CloudTrail trail


class Validation(_Table):
    """The AWS services that look at a dataset in addition to the rules; by default none."""

    comprehend_max_usd: Annotated[float, Field(ge=0, le=1_000)] = 0  # per run; 0: not called


class Similarity(_Table):
    """What the answers' similarity to their references is measured with, beside the judge."""

    # In weights/ of the bucket, as make weights printed it; without, there is no BERTScore.
    weights: Annotated[str, StringConstraints(pattern=WEIGHTS_PATTERN)] | None = None


class Environment(_Table):
    """Everything that differs between two environments."""

    name: EnvironmentName
    region: Annotated[str, StringConstraints(pattern=r"^[a-z]{2}(-[a-z]+)+-[0-9]$")]
    account: Annotated[str, StringConstraints(pattern=r"^[0-9]{12}$")] | None = None  # no other one
    # Name or ARN of a managed policy of the account, on every role that the stacks make.
    permissions_boundary: Annotated[str, StringConstraints(pattern=_BOUNDARY)] | None = None
    storage: Storage
    functions: Functions
    notifications: Notifications
    spending: Spending
    defaults: ExecutionDefaults
    validation: Validation = Validation()
    similarity: Similarity = Similarity()
    prices: dict[str, dict[str, float]] = Field(default_factory=dict)  # override the price book's
    # The organisation's own, on all that the stacks and the runs make.
    tags: Annotated[dict[TagKey, TagValue], Field(max_length=_MAX_TAGS)] = Field(
        default_factory=dict
    )

    def offline(self) -> Self:
        """Return it as it is rehearsed: pinned to the offline account.

        A boundary's ARN may be of another account: only its name is left.
        """
        boundary = self.permissions_boundary and self.permissions_boundary.rpartition(":policy/")[2]
        return self.model_copy(
            update={"account": OFFLINE_ACCOUNT, "permissions_boundary": boundary}
        )


def known_environments() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def load(name: str | None) -> Environment:
    """Return the environment called `name`.

    Raises
    ------
    EnvironmentInvalid
        No such environment, or a field of its file is missing, unknown or out of range.
    """
    known = known_environments()
    if name is None:
        raise EnvironmentInvalid(f"name an environment: -c env=NAME, one of {_listed(known)}")
    if name not in known:
        guess = _guess(name, known) or "."
        raise EnvironmentInvalid(f"no environment {name!r}{guess} Known: {_listed(known)}")
    path = FOLDER / f"{name}.toml"
    return _parse(path, _read(path))


def _listed(known: list[str]) -> str:
    return ", ".join(known) or "none (environments/ has no TOML file)"


def _guess(name: str, known: list[str]) -> str:
    guess = nearest(name, known)
    return f": did you mean {guess!r}?" if guess else ""


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise EnvironmentInvalid(f"{_shown(path)} is not valid TOML: {_one_line(error)}") from None


def _parse(path: Path, raw: Mapping[str, Any]) -> Environment:
    try:
        # ExecutionDefaults has its own parser, which the function that reads them uses too.
        defaults = {"defaults": _defaults(raw["defaults"])} if "defaults" in raw else {}
        environment = Environment.model_validate({**raw, **defaults})
    except ValidationError as error:
        problems = "; ".join(map(_explained, error.errors()))
        raise EnvironmentInvalid(f"{_shown(path)}: {problems}") from None
    except InputInvalid as error:
        raise EnvironmentInvalid(f"{_shown(path)}: [defaults] {_one_line(error)}") from None
    problems = "; ".join(_conflicts(environment, path.stem))
    if problems:
        raise EnvironmentInvalid(f"{_shown(path)}: {problems}")
    return environment


def _defaults(table: object) -> ExecutionDefaults:
    if not isinstance(table, dict):
        raise InputInvalid("is not a table")
    # TOML has no null. Without a system prompt, that of the training data is used; without a
    # minimum score, a review stops no run.
    return ExecutionDefaults.parse({"system_prompt": None, "min_review_score": None, **table})


def _conflicts(environment: Environment, stem: str) -> Iterator[str]:
    if environment.name != stem:
        yield f"name is {environment.name!r}, but the file is called {stem!r}"
    yield from _unwatched(environment)
    yield from _told_twice(environment.notifications.emails)
    model = find_model(environment.defaults.model)
    if environment.region not in model.customization_regions:
        regions = ", ".join(model.customization_regions)
        yield f"{model.key} cannot be tuned in {environment.region}, only in {regions}"
    else:
        yield from _unserved(environment)
        yield from _unpriced(environment)
    try:
        PriceBook.load(environment.prices)
    except InputInvalid as error:
        yield f"[prices] {_one_line(error)}"
    judges = [
        key for key, judge in JUDGES.items() if judge.inference.available_in(environment.region)
    ]
    if environment.defaults.judge_model not in judges:
        yield (
            f"judge {environment.defaults.judge_model} cannot be called from "
            f"{environment.region}; judges there: {', '.join(judges) or 'none'}"
        )
    yield from _not_comparable(environment)
    for code in environment.defaults.fail_on_warnings:
        if code not in WARNINGS:
            yield f"[defaults] fail_on_warnings: {unknown('warning', code, WARNINGS)}"
    yield from _refused_tags(environment.tags)
    yield from _foreign_boundary(environment)
    yield from _oversized(environment)


def _not_comparable(environment: Environment) -> Iterator[str]:
    defaults, region = environment.defaults, environment.region
    for key in defaults.also_compare:
        if key == defaults.model:
            yield f"[defaults] also_compare has {key}, the model itself: leave it out"
        elif key != FEW_SHOT and not UNTUNED[key].answers_in(region):
            there = ", ".join(each.key for each in UNTUNED.values() if each.answers_in(region))
            yield f"[defaults] also_compare: {key} cannot be called from {region}, but {there} can"


def _unserved(environment: Environment) -> Iterator[str]:
    defaults, region = environment.defaults, environment.region
    kinds = find_model(defaults.model).hosted_in(region)
    if not kinds:
        yield f"{defaults.model} has no hosting in {region}: choose another [defaults] model"
    elif defaults.hosting not in {"cheapest", *kinds}:
        others = " or ".join(f'hosting = "{kind}"' for kind in ("cheapest", *kinds))
        yield f"{defaults.model} is not served {defaults.hosting} in {region}: write {others}"


def _unpriced(environment: Environment) -> Iterator[str]:
    defaults = environment.defaults
    others = (key for key in defaults.also_compare if key != FEW_SHOT)
    asked = dict.fromkeys([defaults.judge_model, *others])
    with suppress(InputInvalid):  # reported as such
        calculator = Calculator(PriceBook.load(environment.prices), environment.region)
        for missing in missing_prices(defaults.model, asked, defaults.hosting, calculator):
            yield " ".join(missing.replace("NAME", environment.name).split())


def lifecycle_warnings(environment: Environment, day: date) -> Iterator[str]:
    """Yield a warning if the default model closes soon; the preflight refuses it when it has."""
    defaults = environment.defaults
    model = find_model(defaults.model)
    dates = (model.lifecycle.legacy, model.lifecycle.end_of_life)
    closes = min((each for each in dates if each), default=date.max)
    if closes - day > _SOON or model.key in defaults.models_past_end:
        return
    since = f"since {closes}" if closes <= day else f"from {closes} on"
    yield (
        f"environments/{environment.name}.toml: {model.key} takes no new training {since}, by the "
        "dates of lambdas/domain/models/families/; a run of it is refused once AWS has closed it. "
        "Choose another [defaults] model: make models lists those that are open"
    )


def _foreign_boundary(environment: Environment) -> Iterator[str]:
    _, *parts = (environment.permissions_boundary or "").split(":")
    if parts and environment.account and parts[3] not in {environment.account, "aws"}:
        yield (
            f"permissions_boundary is of account {parts[3]}, and account is "
            f"{environment.account}: name a policy of that account"
        )


def _refused_tags(tags: Mapping[str, str]) -> Iterator[str]:
    seen: dict[str, str] = {}
    for key in tags:
        if _RESERVED.match(key):
            yield f"[tags] {key} is AWS's or the project's own: choose another key"
        if same := seen.get(key.lower()):
            yield f"[tags] {same} and {key} are one key to IAM: keep one of them"
        seen[key.lower()] = key


def _oversized(environment: Environment) -> Iterator[str]:
    """Yield the tables that are too long to be variables of a function."""
    defaults = environment.defaults.model_dump(mode="json")
    for tables in (
        {"defaults": defaults, "tags": environment.tags},
        {"prices": environment.prices},
    ):
        if (size := sum(map(variable_bytes, tables.values()))) > MAX_VARIABLE_BYTES:
            sizes = {
                f"[{table}] {field}": variable_bytes(value)
                for table, fields in tables.items()
                for field, value in fields.items()
            }
            longest = max(sizes, key=sizes.__getitem__)
            yield (
                f"[{'] and ['.join(tables)}] take {size:,} bytes of a function's variables, at "
                f"most {MAX_VARIABLE_BYTES:,} fit: shorten {longest}, which takes "
                f"{sizes[longest]:,}"
            )


def variable_bytes(value: object) -> int:
    """Return what JSON takes as a variable: Lambda measures all of them as JSON once more."""
    text = json.dumps(value, ensure_ascii=False)
    return len(json.dumps(text, ensure_ascii=False).encode())


def _unwatched(environment: Environment) -> Iterator[str]:
    """Yield a problem if what waits, or bills by the hour, would be told to nobody."""
    notified = environment.notifications
    if notified.emails or notified.watched_without_mail:
        return
    asks = " and ask for approval" if environment.defaults.require_approval else ""
    yield (
        f"[notifications] emails is empty, and runs here may buy by the hour{asks}: nobody would "
        'be told. Write emails = ["you@example.com"] or, if somebody watches without mail, '
        'watched_without_mail = "who watches, and where"'
    )


def _told_twice(emails: list[str]) -> Iterator[str]:
    """Yield each address that occurs again: a topic has one subscription an address."""
    for position, email in enumerate(emails):
        if email.lower() in map(str.lower, emails[:position]):
            yield f"notifications.emails.{position} is {email!r}, which is there already: remove it"


def _explained(problem: ErrorDetails) -> str:
    *table, field = (str(part) for part in problem["loc"])
    where = ".".join([*table, field])
    siblings = _fields_of(table)
    if problem["type"] == "extra_forbidden":
        hint = _guess(field, siblings) or f"; known: {', '.join(siblings)}"
        return f"unknown field {where}{hint}"
    if problem["type"] == "missing":
        return f"{where} is missing"
    said = problem["msg"]
    return f"{where} is {problem['input']!r}: {said[:1].lower()}{said[1:]}"


def _fields_of(table: list[str]) -> list[str]:
    model: Any = Environment
    for name in table:
        field = getattr(model, "model_fields", {}).get(name)
        model = field.annotation if field else None
    return list(getattr(model, "model_fields", {}))


def _one_line(error: Exception) -> str:
    return "; ".join(line.strip() for line in str(error).splitlines() if line.strip())


def _shown(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"
