"""Write question-answer pairs from documents with a model.

Ask a model for question-answer pairs on documents (PDF, Word, text, Markdown, HTML), keep those
that are new, stand on their own and whose quote is in the document, and write them to OUT.json,
which `python -m dataset prepare` reads. Every answer is saved in OUT.json.journal.jsonl as soon as
it is paid for: the same command again resumes and pays for nothing twice.

For example:
  python -m dataset generate --pairs 100 --env dev handbook.pdf faq.html build/pairs.json

Exit status: 0 OUT.json has all pairs, 1 it has fewer, 2 bad usage or AWS refused
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from botocore.exceptions import BotoCoreError
from rich.console import Console

from dataset.commands.bedrock_target import BedrockTarget, add_target_arguments, bedrock_target
from dataset.generation.checks import REASONS, KeptPair
from dataset.generation.journal import Journal, open_journal
from dataset.generation.languages import language_name
from dataset.generation.progress_bar import ProgressBar
from dataset.generation.request import STYLE, GenerationTask
from dataset.generation.session import GenerationResult, PaidAnswer, Session, paid_tokens
from dataset.generation.writer import Writer, runtime_client
from dataset.sources.sections import Section
from exit_codes import ExitCode
from lambdas.domain.cost.calculator import Calculator
from lambdas.domain.errors import (
    InputInvalid,
    PriceMissing,
    ServiceUnavailable,
    Throttled,
    TuningError,
)
from lambdas.domain.models.catalogue import JUDGES, MODELS
from lambdas.domain.models.lookup import find_judge

DEFAULT_WRITER = "nova-pro"
DEFAULT_MAX_TOKENS_TOTAL = 500_000
_REFUSALS_SHOWN = 3  # of each reason


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("documents", nargs="+", type=Path, metavar="DOCUMENT", help="a file")
    parser.add_argument("out", type=Path, metavar="OUT.json", help="where pairs are written")
    parser.add_argument("--pairs", type=int, required=True, metavar="N", help="how many to keep")
    writer = parser.add_mutually_exclusive_group()
    writer.add_argument(
        "--writer",
        default=DEFAULT_WRITER,
        metavar="KEY",
        help=f"the model that writes: {', '.join(JUDGES)}; default: %(default)s",
    )
    writer.add_argument(
        "--model-id",
        metavar="ID",
        help="another model that reads documents and calls tools: its id, inference profile or ARN",
    )
    parser.add_argument(
        "--language", metavar="CODE", help="such as ja or en; default: that of each document"
    )
    parser.add_argument(
        "--prompt-file",
        type=Path,
        metavar="F",
        help="what to ask about, and in which style; the rules on quotes and facts stay",
    )
    parser.add_argument(
        "--max-tokens-total",
        type=int,
        default=DEFAULT_MAX_TOKENS_TOTAL,
        metavar="N",
        help="ceiling of input and output tokens, including those in the journal; "
        f"default: {DEFAULT_MAX_TOKENS_TOTAL:,}",
    )
    add_target_arguments(parser)


@dataclass(frozen=True)
class _WriterModel:
    """Who writes, where, and at what price if one is known."""

    model_id: str
    price_key: str | None  # in the price book
    target: BedrockTarget

    def usd(self, input_tokens: int, output_tokens: int) -> float | None:
        if self.price_key is None:
            return None
        try:
            prices = Calculator(self.target.prices, self.target.region).tokens(self.price_key)
        except PriceMissing:
            return None
        return prices.usd(input_tokens, output_tokens)


def run(options: argparse.Namespace) -> ExitCode:
    """Generate the pairs, and print what they cost and why others were refused."""
    # The libraries that read documents take longer to import than everything else here.
    from dataset.sources.documents import read_sections  # noqa: PLC0415

    _check(options)
    model = _writer_model(options)
    language = language_name(options.language) if options.language else None
    task = GenerationTask(model.model_id, language, _style(options.prompt_file))
    sections = [section for path in options.documents for section in read_sections(path)]
    with open_journal(path_beside(options.out), PaidAnswer) as journal:
        print(_plan(model, sections, paid_tokens(journal)), file=sys.stderr)
        try:
            outcome = _generate(options, task, sections, journal, model.target.region)
        except (TuningError, Throttled, ServiceUnavailable, BotoCoreError) as error:
            print(f"error: {error}\n{_paid_so_far(options.out)}", file=sys.stderr)
            return ExitCode.ERROR
        except KeyboardInterrupt:
            print(f"\n{_paid_so_far(options.out)}", file=sys.stderr)
            raise
    _write(options.out, outcome.kept)
    usd = model.usd(outcome.input_tokens, outcome.output_tokens)
    for line in _summary(outcome, options.pairs, usd):
        print(line, file=sys.stderr)
    print(_ending(options, outcome), file=sys.stderr)
    return ExitCode.OK if outcome.ending == "complete" else ExitCode.FAILED


def _generate(
    options: argparse.Namespace,
    task: GenerationTask,
    sections: Sequence[Section],
    journal: Journal[PaidAnswer],
    region: str,
) -> GenerationResult:
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    with ProgressBar(console, options.pairs) as bar:
        return Session(
            task,
            sections,
            pairs=options.pairs,
            max_tokens_total=options.max_tokens_total,
            journal=journal,
            writer=Writer(runtime_client(region), bar.note),
            progress=bar,
        ).run()


def path_beside(out: Path) -> Path:
    """Return the path of the journal."""
    return out.with_name(f"{out.name}.journal.jsonl")


def _paid_so_far(out: Path) -> str:
    journal = path_beside(out)
    if not journal.is_file() or not journal.stat().st_size:
        return "Nothing was paid for."
    return f"What was paid for is in {journal}: the same command again resumes from there."


def _check(options: argparse.Namespace) -> None:
    for name in ("pairs", "max_tokens_total"):
        if getattr(options, name) < 1:
            raise InputInvalid(f"--{name.replace('_', '-')} must be 1 or more")
    out: Path = options.out
    if out.suffix.lower() != ".json":
        raise InputInvalid(f"{out} is where the pairs are written: its name must end in .json")
    if not out.parent.is_dir():
        raise InputInvalid(f"there is no folder {out.parent}: create it first")
    if out.exists() and not path_beside(out).is_file():
        raise InputInvalid(
            f"{out} exists and was not written by this command (it has no journal beside it): "
            "choose another name, or move it away"
        )


def _writer_model(options: argparse.Namespace) -> _WriterModel:
    target = bedrock_target(options)
    if options.model_id:
        return _WriterModel(options.model_id, _price_key(options.model_id), target)
    inference = find_judge(options.writer).inference
    if not inference.available_in(target.region):
        raise InputInvalid(
            f"{options.writer} is called through {inference.model_id}, which is available in "
            f"{', '.join(inference.regions)} and not in {target.region}: choose one of these "
            "regions, or give the inference profile of yours with --model-id"
        )
    return _WriterModel(inference.model_id, options.writer, target)


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


def _style(path: Path | None) -> str:
    if path is None:
        return STYLE
    try:
        style = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InputInvalid(f"{path} cannot be read as UTF-8 text: {error}") from None
    if not style:
        raise InputInvalid(f"{path} is empty: describe what to ask about, and the style")
    return style


def _plan(model: _WriterModel, sections: Sequence[Section], paid: int) -> str:
    documents = Counter(section.document for section in sections)
    parts = ", ".join(f"{name} ({count} section(s))" for name, count in documents.items())
    resumed = f" Resuming after {paid:,} tokens already paid for." if paid else ""
    return f"Asking {model.model_id} in {model.target.region} about {parts}.{resumed}"


def _write(out: Path, kept: Sequence[KeptPair]) -> None:
    """Write the pairs as a JSON list, completely or not at all."""
    text = json.dumps([pair.as_json() for pair in kept], ensure_ascii=False, indent=2) + "\n"
    temporary = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        # A lone surrogate, which UTF-8 cannot hold, stays the JSON escape that it came as.
        temporary.write_bytes(text.encode(errors="backslashreplace"))
        temporary.replace(out)
    except OSError as error:
        reason = f"{out} cannot be written: {error.strerror}"
        raise InputInvalid(f"{reason}. {_paid_so_far(out)}") from None


def _summary(outcome: GenerationResult, wanted: int, usd: float | None) -> Iterator[str]:
    """Yield lines on what was kept, what was refused and why, and what it cost."""
    sections = Counter((pair.section.document, pair.section.label) for pair in outcome.kept)
    yield f"Pairs:   {len(outcome.kept)} of {wanted}, from {len(sections)} section(s)"
    yield f"Refused: {len(outcome.refusals)}"
    for code, count in Counter(refusal.code for refusal in outcome.refusals).most_common():
        yield f"  {count:4} {code}: {REASONS[code]}"
        examples = (refusal for refusal in outcome.refusals if refusal.code == code)
        yield from (f"         {example}" for example in islice(examples, _REFUSALS_SHOWN))
    if outcome.unfinished:
        yield f"Cut off: {outcome.unfinished} answer(s), requested again with fewer pairs"
    earlier = f"; {outcome.resumed_tokens:,} of them paid for earlier"
    tokens = f"Tokens:  {outcome.input_tokens:,} in, {outcome.output_tokens:,} out"
    yield tokens + (earlier if outcome.resumed_tokens else "")
    yield f"Cost:    {'no price is known' if usd is None else f'${usd:.4f}'}"


def _ending(options: argparse.Namespace, outcome: GenerationResult) -> str:
    return {
        "complete": f"{options.out} has all {options.pairs} pairs.",
        "ceiling": f"{options.out} has fewer pairs than asked for: another request could exceed "
        f"{options.max_tokens_total:,} tokens. For the rest, repeat the command with a higher "
        "--max-tokens-total.",
        "exhausted": f"{options.out} has fewer pairs than asked for: the model found nothing new "
        "that could be kept. Give more documents, or ask for fewer pairs.",
    }[outcome.ending]
