r"""Check a dataset as a run does.

What is valid here is valid in a run: files are checked against every rule of the model's format.
Files are paths or s3:// URIs, of any size. docs/dataset-validation.md lists the codes of all
findings.

For example:
  python -m dataset validate --model nova-micro build/prepared/training.jsonl
  python -m dataset validate --model claude-3-haiku --fail-on leak,secret --json \
      --validation build/prepared/validation.jsonl s3://bucket/datasets/faq/training.jsonl

Exit status: 0 valid, 1 invalid, 2 not checked (no such file, no access, bad usage)
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from functools import partial
from pathlib import Path

from dataset.commands.options import dollars
from dataset.commands.report_text import report_text
from dataset.sources.files import S3, bucket_and_key, in_folder, list_folder
from exit_codes import ExitCode
from lambdas.aws.artefacts import Artefacts
from lambdas.aws.comprehend import Comprehend
from lambdas.domain.cost.price_book import service_price
from lambdas.domain.errors import InputInvalid
from lambdas.domain.models.catalogue import MODELS
from lambdas.domain.models.lookup import find_model, unknown
from lambdas.domain.run.dataset_files import FILE_NAMES
from lambdas.validation import WARNINGS, DatasetSource, FileSource, ValidationReport
from lambdas.validation.check import Options, check
from lambdas.validation.formats.conversation import FILE_KINDS
from lambdas.validation.screening import PiiCheck, screened


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("training", metavar="TRAINING", help="the training file")
    parser.add_argument("--model", required=True, metavar="KEY", help=", ".join(MODELS))
    parser.add_argument("--validation", metavar="FILE", help="never trained on")
    parser.add_argument("--evaluation", metavar="FILE", help="questions and reference answers")
    parser.add_argument("--general", metavar="FILE", help="questions on anything else")
    parser.add_argument("--answer-schema", metavar="FILE", help="JSON Schema of reference answers")
    parser.add_argument("--system-prompt", metavar="TEXT", help="default: the most frequent one")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--no-warnings", action="store_true", help="look for errors only")
    parser.add_argument(
        "--fail-on", type=_codes, default="", metavar="CODE,…", help="warnings that are refused"
    )
    parser.add_argument(
        "--comprehend-max-usd",
        type=dollars,
        metavar="USD",
        help="have Amazon Comprehend look for names and addresses, for at most so much: in every "
        "2nd, 4th … record if all would cost more",
    )


def _codes(text: str) -> frozenset[str]:
    codes = frozenset(code.strip() for code in text.split(",") if code.strip())
    for code in codes - set(WARNINGS):
        raise argparse.ArgumentTypeError(unknown("warning", code, WARNINGS))
    return codes


def run(options: argparse.Namespace) -> ExitCode:
    """Check the files and print the findings."""
    report = _checked(options)
    if options.json:
        print(json.dumps(report.as_json(), ensure_ascii=False, indent=2))
    else:
        print(report_text(report))
    return ExitCode.OK if report.valid else ExitCode.FAILED


def _checked(options: argparse.Namespace) -> ValidationReport:
    model = find_model(options.model)
    _refuse_raw(options)
    files = {kind: getattr(options, kind) for kind in FILE_KINDS}
    sources = {kind: _source(file) for kind, file in files.items() if file is not None}
    schema = _source(options.answer_schema) if options.answer_schema else None
    settings = Options(
        system_prompt=options.system_prompt,
        warnings=not options.no_warnings,
        fail_on=options.fail_on,
    )
    pii = _pii_check(options.comprehend_max_usd) if options.comprehend_max_usd else None
    report = check(model, options=settings, progress=None, answer_schema=schema, **sources)
    return screened(report, sources, pii) if pii else report


def _pii_check(max_usd: float) -> PiiCheck:
    price = service_price("comprehend_usd_per_unit")
    say = partial(print, file=sys.stderr, flush=True)
    return PiiCheck(Comprehend().detect_pii, max_usd, price.usd, say)


def _source(file: str) -> DatasetSource:
    """Return what reads a file, on this machine or in S3."""
    if file.startswith(S3):
        bucket, key = bucket_and_key(file)
        return Artefacts(bucket).source(key, file)
    path = Path(file)
    if not path.exists():
        raise InputInvalid(f"there is no file {file}")
    if not path.is_file():  # a pipe has no size and cannot be read in parts
        raise InputInvalid(f"{file} is not a regular file: name one, such as training.jsonl")
    return FileSource(path, file)


def _refuse_raw(options: argparse.Namespace) -> None:
    """Refuse what the command cannot check, with the command that can."""
    training: str = options.training
    names = list_folder(training)
    if names is None and Path(training).suffix.lower() in {".jsonl", ""}:
        return
    command = f"python -m dataset {{}} --model {shlex.quote(options.model)}"
    files = {
        kind: shlex.quote(in_folder(training, name))
        for kind, name in FILE_NAMES.items()
        if name in (names or ())
    }
    if own := files.pop("training", None):
        more = "".join(f" --{kind} {file}" for kind, file in files.items())
        raise InputInvalid(
            f"{training} is a folder: check its files: {command.format('validate')} {own}{more}"
        )
    raise InputInvalid(
        f"{training} is not a file of records in a model's format (.jsonl): convert it, which "
        f"checks it too: {command.format('prepare')} {shlex.quote(training)} build/prepared"
    )
