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
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from dataset.commands.options import add_target_arguments, bedrock_prices, judge_id
from dataset.generation.checks import LANGUAGES_BY_CODE, REASONS, KeptPair, detected_as
from dataset.generation.journal import open_journal
from dataset.generation.progress_bar import ProgressBar
from dataset.generation.request import STYLE, GenerationTask
from dataset.generation.session import GenerationResult, PaidAnswer, Session, paid_tokens
from dataset.generation.writer import Writer, runtime_client
from dataset.sources.files import read_file
from dataset.sources.sections import Section
from exit_codes import ExitCode
from lambdas.domain.cost.calculator import Calculator
from lambdas.domain.errors import InputInvalid, PriceMissing
from lambdas.domain.models.catalogue import JUDGES
from lambdas.domain.models.lookup import unknown

_REFUSALS_SHOWN = 3  # of each reason


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("documents", nargs="+", type=Path, metavar="DOCUMENT", help="a file")
    parser.add_argument("out", type=Path, metavar="OUT.json", help="where pairs are written")
    parser.add_argument("--pairs", type=_at_least_one, required=True, metavar="N", help="how many")
    parser.add_argument(
        "--writer",
        default="nova-pro",
        metavar="KEY|ID",
        help=f"{', '.join(JUDGES)} (default: %(default)s), or the id, inference profile or ARN of "
        "another model that reads documents and calls tools",
    )
    parser.add_argument(
        "--language", type=_language, metavar="CODE", help="ja, pt-BR …; default: the document's"
    )
    parser.add_argument("--prompt-file", metavar="F", help="what to ask about, and in which style")
    parser.add_argument(
        "--max-tokens-total",
        type=_at_least_one,
        default=500_000,
        metavar="N",
        help="ceiling of input and output, also of that in the journal; default: %(default)s",
    )
    add_target_arguments(parser)


def _at_least_one(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 1 or more")
    return int(text)


def _language(code: str) -> str:
    if detected_as(code) is None:
        raise argparse.ArgumentTypeError(unknown("language", code, LANGUAGES_BY_CODE))
    return code


def run(options: argparse.Namespace) -> ExitCode:
    """Generate the pairs, and print what they cost and why others were refused."""
    # The libraries that read documents take longer to import than everything else here.
    from dataset.sources.documents import read_sections  # noqa: PLC0415

    _check(options.out)
    prices = bedrock_prices(options)
    style = read_file(options.prompt_file).text() if options.prompt_file else STYLE
    if not style.strip():
        raise InputInvalid(f"{options.prompt_file} is empty: describe what to ask about")
    task = GenerationTask(_model_id(options.writer, prices.region), options.language, style)
    sections = [section for path in options.documents for section in read_sections(path)]
    with open_journal(path_beside(options.out), PaidAnswer) as journal:
        print(_plan(task, prices.region, sections, journal.entries), file=sys.stderr)
        try:
            with ProgressBar("pairs", options.pairs) as bar:
                writer = Writer(runtime_client(prices.region), bar.note)
                most = options.max_tokens_total
                outcome = Session(task, sections, options.pairs, most, journal, writer, bar).run()
            _write(options.out, outcome.kept)
        except BaseException:
            print(_paid_so_far(options.out), file=sys.stderr)
            raise
    for line in _summary(outcome, options.pairs, journal.entries):
        print(line, file=sys.stderr)
    print(f"Cost:    {_cost(options.writer, prices, journal.entries)}", file=sys.stderr)
    print(_ending(options, outcome), file=sys.stderr)
    return ExitCode.OK if outcome.ending == "complete" else ExitCode.FAILED


def path_beside(out: Path) -> Path:
    """Return the path of the journal."""
    return out.with_name(f"{out.name}.journal.jsonl")


def _paid_so_far(out: Path) -> str:
    journal = path_beside(out)
    if not journal.stat().st_size:
        return "Nothing was paid for."
    return f"What was paid for is in {journal}: the same command again resumes from there."


def _check(out: Path) -> None:
    if out.suffix.lower() != ".json":
        raise InputInvalid(f"{out} is where the pairs are written: its name must end in .json")
    if not out.parent.is_dir():
        raise InputInvalid(f"there is no folder {out.parent}: create it first")
    if out.exists() and not path_beside(out).is_file():
        raise InputInvalid(
            f"{out} exists and was not written by this command (it has no journal beside it): "
            "choose another name, or move it away"
        )


def _model_id(writer: str, region: str) -> str:
    is_id = writer not in JUDGES and not {".", ":"}.isdisjoint(writer)
    return writer if is_id else judge_id(writer, region)


def _cost(writer: str, prices: Calculator, paid: Sequence[PaidAnswer]) -> str:
    try:
        usd = prices.tokens(writer).usd
    except PriceMissing:
        return "no price is known"
    return f"${sum(usd(each.input_tokens, each.output_tokens) for each in paid):.4f}"


def _plan(
    task: GenerationTask, region: str, sections: Sequence[Section], paid: Sequence[PaidAnswer]
) -> str:
    documents = Counter(section.document for section in sections)
    parts = ", ".join(f"{name} ({count} section(s))" for name, count in documents.items())
    resumed = f" {paid_tokens(paid):,} tokens are paid for already." if paid else ""
    return f"Asking {task.model_id} in {region} about {parts}.{resumed}"


def _write(out: Path, kept: Sequence[KeptPair]) -> None:
    text = json.dumps([pair.as_json() for pair in kept], ensure_ascii=False, indent=2) + "\n"
    # A lone surrogate, which UTF-8 cannot hold, stays the JSON escape that it came as.
    out.write_bytes(text.encode(errors="backslashreplace"))


def _summary(outcome: GenerationResult, wanted: int, paid: Sequence[PaidAnswer]) -> Iterator[str]:
    """Yield lines on what was kept, what was refused and why, and what was paid for."""
    sections = Counter((pair.section.document, pair.section.label) for pair in outcome.kept)
    yield f"Pairs:   {len(outcome.kept)} of {wanted}, from {len(sections)} section(s)"
    yield f"Refused: {len(outcome.refusals)}"
    for code, count in Counter(refusal.code for refusal in outcome.refusals).most_common():
        yield f"  {count:4} {code}: {REASONS[code]}"
        examples = (refusal for refusal in outcome.refusals if refusal.code == code)
        yield from (f"         {example}" for example in islice(examples, _REFUSALS_SHOWN))
    if unfinished := sum(answer.is_unfinished for answer in paid):
        yield f"Cut off: {unfinished} answer(s), requested again with fewer pairs"
    yield f"Tokens:  {paid_tokens(paid):,}"


def _ending(options: argparse.Namespace, outcome: GenerationResult) -> str:
    return {
        "complete": f"{options.out} has all {options.pairs} pairs.",
        "ceiling": f"{options.out} has fewer pairs than asked for: another request could exceed "
        f"{options.max_tokens_total:,} tokens. For the rest, repeat the command with a higher "
        "--max-tokens-total.",
        "exhausted": f"{options.out} has fewer pairs than asked for: the model found nothing new "
        "that could be kept. Give more documents, or ask for fewer pairs.",
    }[outcome.ending]
