"""The command as a whole: what it checks before it pays, what it says, and how it ends."""

from __future__ import annotations

import argparse
import logging
import tomllib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError
from rich.console import Console

from dataset.generation import result
from dataset.generation.bar import Bar
from dataset.generation.journal import JournalInvalid, opened, path_beside
from dataset.generation.languages import language_name
from dataset.generation.request import STYLE, Task
from dataset.generation.session import Outcome, Session
from dataset.generation.writer import Writer, runtime_client
from dataset.sources.documents import DocumentInvalid, Section, read_sections
from lambdas.domain.cost.price_book import PriceBook
from lambdas.domain.errors import (
    InputInvalid,
    PriceMissing,
    ServiceUnavailable,
    Throttled,
    TuningError,
)
from lambdas.domain.models.catalogue import JUDGES, MODELS, find_judge, unknown

ENVIRONMENTS = Path(__file__).parent.parent.parent / "environments"
_FAILED, _USAGE, _INTERRUPTED = 1, 2, 130


class UsageInvalid(Exception):
    """The command line cannot be carried out; says what to change."""


@dataclass(frozen=True)
class _Model:
    """Who writes, where, and at what price if one is known."""

    model_id: str
    key: str | None  # in the price book
    region: str
    own_prices: dict[str, dict[str, float]]

    def usd(self, input_tokens: int, output_tokens: int) -> float | None:
        if self.key is None:
            return None
        book = PriceBook.load(self.own_prices)
        try:
            input_price = book.price(self.key, self.region, "input_usd_per_1k_tokens").usd
            output_price = book.price(self.key, self.region, "output_usd_per_1k_tokens").usd
        except PriceMissing:
            return None
        return (input_tokens * input_price + output_tokens * output_price) / 1000


def carry_out(
    options: argparse.Namespace,
    bedrock: Any = None,  # noqa: ANN401  # a boto3 client
    console: Console | None = None,
) -> int:
    """Carry the command out; return the exit status. `bedrock` stands in for boto3's client."""
    console = console or Console(stderr=True, highlight=False, soft_wrap=True)
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # what it mends by itself concerns nobody
    try:
        return _generate(options, bedrock, console)
    except (UsageInvalid, DocumentInvalid, JournalInvalid, InputInvalid) as error:
        return _ended(console, f"Cannot generate: {error}", _USAGE)
    except (TuningError, Throttled, ServiceUnavailable, BotoCoreError) as error:
        return _ended(console, f"Stopped: {error}\n{_kept(options.out)}", _FAILED)
    except KeyboardInterrupt:
        return _ended(console, f"Interrupted. {_kept(options.out)}", _INTERRUPTED)


def _ended(console: Console, text: str, status: int) -> int:
    console.print(text, markup=False)
    return status


def _kept(out: Path) -> str:
    journal = path_beside(out)
    if not journal.is_file() or not journal.stat().st_size:
        return "Nothing was paid for."
    return f"What was paid for is in {journal}: the same command again goes on from there."


def _generate(options: argparse.Namespace, bedrock: Any, console: Console) -> int:  # noqa: ANN401  # same
    _check(options)
    model = _model(options)
    task = Task(model.model_id, _language(options.language), _style(options.prompt_file))
    sections = [section for path in options.documents for section in read_sections(path)]
    with opened(path_beside(options.out)) as journal:
        console.print(_plan(model, sections, journal.tokens), markup=False)
        with Bar(console, options.pairs) as bar:
            session = Session(
                task,
                sections,
                pairs=options.pairs,
                max_tokens_total=options.max_tokens_total,
                journal=journal,
                writer=Writer(bedrock or runtime_client(model.region), bar.note),
                watcher=bar,
            )
            outcome = session.run()
    _write(options.out, outcome)
    usd = model.usd(outcome.input_tokens, outcome.output_tokens)
    for line in result.summary(outcome, options.pairs, usd):
        console.print(line, markup=False)
    console.print(_ending(options, outcome), markup=False)
    return 0 if outcome.ending == "complete" else _FAILED


def _check(options: argparse.Namespace) -> None:
    for name in ("pairs", "max_tokens_total"):
        if getattr(options, name) < 1:
            raise UsageInvalid(f"--{name.replace('_', '-')} must be 1 or more")
    out: Path = options.out
    if out.suffix.lower() != ".json":
        raise UsageInvalid(f"{out} is where the pairs go, and must end in .json")
    if not out.parent.is_dir():
        raise UsageInvalid(f"there is no folder {out.parent}; make it first")
    if out.exists() and not path_beside(out).is_file():
        raise UsageInvalid(
            f"{out} exists and is not from this command (it has no journal beside it); choose "
            "another name or move it away"
        )


def _model(options: argparse.Namespace) -> _Model:
    region, prices = _place(options)
    if options.model_id:
        return _Model(options.model_id, _price_key(options.model_id), region, prices)
    inference = find_judge(options.writer).inference
    if not inference.available_in(region):
        raise UsageInvalid(
            f"{options.writer} is asked through {inference.model_id}, which is for "
            f"{', '.join(inference.regions)} and not for {region}; choose a region of these, or "
            "give the profile of your region with --model-id"
        )
    return _Model(inference.model_id, options.writer, region, prices)


def _place(options: argparse.Namespace) -> tuple[str, dict[str, dict[str, float]]]:
    """Return the region, and the prices that stand over the book's."""
    if options.env:
        return _environment(options.env)
    region = options.region or boto3.Session().region_name
    if not region:
        raise UsageInvalid("no region is configured; give --region or --env")
    return region, {}


def _environment(name: str) -> tuple[str, dict[str, dict[str, float]]]:
    known = sorted(path.stem for path in ENVIRONMENTS.glob("*.toml"))
    if name not in known:
        raise UsageInvalid(unknown("environment", name, known))
    try:
        values = tomllib.loads((ENVIRONMENTS / f"{name}.toml").read_text(encoding="utf-8"))
        return str(values["region"]), values.get("prices", {})
    except (ValueError, KeyError) as error:
        raise UsageInvalid(f"environments/{name}.toml cannot be read: {error}") from None


def _price_key(model_id: str) -> str | None:
    """Return the price book's name of a model or profile of the catalogue."""
    bare = model_id.rpartition("/")[2]
    for key, inference in (
        *((judge.key, judge.inference) for judge in JUDGES.values()),
        *((model.key, model.base_inference) for model in MODELS.values()),
    ):
        if bare in {inference.model_id, inference.foundation_model_id}:
            return key
    return None


def _language(text: str | None) -> str | None:
    return language_name(text) if text else None


def _style(path: Path | None) -> str:
    if path is None:
        return STYLE
    try:
        style = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageInvalid(f"{path} cannot be read as text in UTF-8: {error}") from None
    if not style:
        raise UsageInvalid(f"{path} is empty; say in it what to ask about, and in which style")
    return style


def _plan(model: _Model, sections: Sequence[Section], paid_tokens: int) -> str:
    documents = Counter(section.document for section in sections)
    parts = ", ".join(f"{name} ({count} section(s))" for name, count in documents.items())
    resumed = f" Going on after {paid_tokens:,} tokens paid for before." if paid_tokens else ""
    return f"Asking {model.model_id} in {model.region} about {parts}.{resumed}"


def _write(out: Path, outcome: Outcome) -> None:
    try:
        result.write(out, outcome.kept)
    except OSError as error:
        raise UsageInvalid(f"{out} cannot be written: {error.strerror}. {_kept(out)}") from None


def _ending(options: argparse.Namespace, outcome: Outcome) -> str:
    return {
        "complete": f"{options.out} has all {options.pairs} pairs.",
        "ceiling": f"{options.out} has fewer pairs than asked for: another request could go beyond "
        f"{options.max_tokens_total:,} tokens. Repeat the command with a higher "
        "--max-tokens-total for the rest.",
        "exhausted": f"{options.out} has fewer pairs than asked for: the model found nothing new "
        "that could be kept. Give more documents, or ask for fewer pairs.",
    }[outcome.ending]
