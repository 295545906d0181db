"""`python -m dataset generate`: question-answer pairs from documents, written by a model."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from lambdas.domain.models.catalogue import JUDGES

DEFAULT_WRITER = "nova-pro"
DEFAULT_MAX_TOKENS_TOTAL = 500_000
_DESCRIPTION = """\
Ask a model for question-answer pairs on documents (PDF, text, Markdown, HTML), keep those that are
new and whose quote stands in the document, and write them to OUT.json, which
`python -m dataset prepare` reads. Every answer is kept in OUT.json.journal.jsonl as soon as it is
paid for: the same command again goes on where it was. Exit status: 0 all pairs are there, 1 fewer
(OUT.json has them) or AWS refused, 2 bad usage."""


def add_parser(subparsers: Any) -> None:  # noqa: ANN401  # argparse keeps the type to itself
    """Add `generate` to the commands of `python -m dataset`."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "generate",
        help="write question-answer pairs from documents with a model",
        description=_DESCRIPTION,
    )
    parser.add_argument("documents", nargs="+", type=Path, metavar="DOCUMENT")
    parser.add_argument("out", type=Path, metavar="OUT.json")
    parser.add_argument("--pairs", type=int, required=True, metavar="N", help="how many to keep")
    writer = parser.add_mutually_exclusive_group()
    writer.add_argument(
        "--writer",
        default=DEFAULT_WRITER,
        metavar="KEY",
        help=f"the model that writes: {', '.join(JUDGES)}; default: {DEFAULT_WRITER}",
    )
    writer.add_argument(
        "--model-id",
        metavar="ID",
        help="another model: an id, an inference profile or an ARN, with documents and tools",
    )
    parser.add_argument(
        "--language", metavar="CODE", help="such as ja or en; default: each document's own"
    )
    parser.add_argument(
        "--prompt-file",
        type=Path,
        metavar="F",
        help="what to ask about and in which style; the rules on grounding stay",
    )
    parser.add_argument(
        "--max-tokens-total",
        type=int,
        default=DEFAULT_MAX_TOKENS_TOTAL,
        metavar="N",
        help="no request is made that could go beyond it, counting what the journal holds; "
        f"default: {DEFAULT_MAX_TOKENS_TOTAL:,}",
    )
    place = parser.add_mutually_exclusive_group()
    place.add_argument("--region", metavar="R", help="default: that of the AWS configuration")
    place.add_argument("--env", metavar="NAME", help="region and prices of environments/NAME.toml")


def run(options: argparse.Namespace) -> int:
    """Carry the command out; return the exit status."""
    # What reads documents takes longer to import than other commands take altogether.
    from dataset.generation.command import carry_out  # noqa: PLC0415

    return carry_out(options)
