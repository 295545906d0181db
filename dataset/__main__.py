"""Command line: `python -m dataset prepare --model KEY SOURCE_DIR OUT_DIR`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from dataset.prepare import SYSTEM_PROMPT, SourceInvalid, prepare
from lambdas.domain.catalogue import MODELS, find_model
from lambdas.domain.errors import InputInvalid

_USAGE_STATUS = 2


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        model = find_model(options.model)
        prepared = prepare(options.source, options.out, model, options.system_prompt)
    except (SourceInvalid, InputInvalid) as error:
        print(f"Cannot prepare: {error}", file=sys.stderr)
        return _USAGE_STATUS
    for finding in prepared.findings:
        print(f"{finding.severity}: {finding}", file=sys.stderr)
    print(f"{options.out}: {prepared}, for {model.name}.")
    if not prepared.valid:
        print("Correct the errors: as it is, the run would refuse it.", file=sys.stderr)
    return 0 if prepared.valid else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m dataset", description=__doc__)
    command = parser.add_subparsers(required=True, metavar="COMMAND").add_parser(
        "prepare",
        help="write training, validation and evaluation data in a model's format",
        description="Write training.jsonl, validation.jsonl (where there is one) and "
        "evaluation.jsonl in the model's format, from prepared .jsonl files, which are checked "
        "and copied, or from .json lists of question-answer pairs, which are converted.",
    )
    command.add_argument("--model", required=True, metavar="KEY", help=", ".join(MODELS))
    command.add_argument(
        "--system-prompt",
        metavar="TEXT",
        help=f"system prompt of converted records; default: {SYSTEM_PROMPT}",
    )
    command.add_argument("source", type=Path, metavar="SOURCE_DIR")
    command.add_argument("out", type=Path, metavar="OUT_DIR")
    return parser


if __name__ == "__main__":
    sys.exit(main())
