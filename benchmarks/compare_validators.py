"""Runs AWS's published dataset checkers on this project's corpus.

`python -m benchmarks.compare_validators PATH ...` takes the paths of one or more of
`data_validation.py` (Claude 3 Haiku), `nova_ft_dataset_validator.py` (Nova) and
`dataset_validation.py` (Llama), all in https://github.com/aws-samples/amazon-bedrock-samples under
custom-models/bedrock-fine-tuning. It prints a table for each and, with `--list`, every case on
which the checker is wrong. Each checker runs in this process, as its own `main` would run it.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import re
import runpy
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

from lambdas.domain.models.lookup import find_model
from lambdas.domain.models.model import Model
from lambdas.validation import CODES
from tests.unit.validation.corpus.corpus import LLAMA, NOVA, Case
from tests.unit.validation.corpus.corpus_all import CASES

OUTCOMES = ("right", "passes a bad one", "refuses a good one", "crashes")
Checker = Mapping[str, Any]  # the names of its module
BadLines = frozenset[int] | None  # that a checker names; None: it passes the file


class Judged(NamedTuple):
    """One case and how the checker did."""

    case: Case
    outcome: str
    right_lines: bool = False
    error: str = ""  # the type of what it crashes with


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("paths", type=Path, nargs="+", metavar="PATH")
    parser.add_argument("--list", action="store_true", help="name every case that is judged wrong")
    options = parser.parse_args()
    for path in options.paths:
        if path.name not in CHECKERS or not path.is_file():
            sys.stderr.write(f"{path}: not a file named {' or '.join(CHECKERS)}\n")
            return 2
        judged = list(_judge(path))
        wrong = [each for each in judged if each.outcome != "right"] if options.list else []
        lines = [f"- {each.outcome}: {each.case.group}: {each.case.name}" for each in wrong]
        sys.stdout.write("\n".join([*_table(path, judged), *lines]) + "\n")
    return 0


def _judge(path: Path) -> Iterator[Judged]:
    model, run = CHECKERS[path.name]
    sys.path.insert(0, str(path.parent.resolve()))  # one of them imports from its folder
    checker = runpy.run_path(str(path))
    with tempfile.TemporaryDirectory() as folder:
        for case in CASES:
            if case.model is model and _is_judged(case):
                yield _judged(case, lambda files: run(checker, files), Path(folder))


def _is_judged(case: Case) -> bool:
    """Leave out what no checker can be wrong on, as only the service knows its tokens."""
    unsure = any(each.code == "maybe-too-many-tokens" for each in case.found)
    return case.kind != "evaluation" and not case.key and not unsure


def _judged(case: Case, run: Callable[[Mapping[str, Path]], BadLines], folder: Path) -> Judged:
    files = {str(kind): folder / f"{kind}.jsonl" for kind in case.files}
    for kind, content in case.files.items():
        files[str(kind)].write_bytes(content)
    try:
        lines = run(files)
    except Exception as error:  # noqa: BLE001  # whatever it is, the checker does not survive it
        return Judged(case, "crashes", error=type(error).__name__)
    if (lines is None) == case.is_good:
        bad = {each.line for each in case.found if each.line and each.severity == "error"}
        return Judged(case, "right", lines == bad)
    return Judged(case, "refuses a good one" if case.is_good else "passes a bad one")


def _claude(checker: Checker, files: Mapping[str, Path]) -> BadLines:
    validation = files.get("validation")
    with contextlib.redirect_stdout(io.StringIO()) as output:
        checker["validate_data"](str(files["training"]), validation and str(validation))
    text = output.getvalue()
    return None if "All data passed validation!" in text else _numbers(r"^- Line (\d+):", text)


def _nova(checker: Checker, files: Mapping[str, Path]) -> BadLines:
    options = argparse.Namespace(input_file=str(files["training"]), model_name="micro")
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            checker["validate_converse_dataset"](options)
    except checker["NovaClientError"] as error:
        samples = {number + 1 for number in _numbers(r"Sample (\d+) - ", str(error))}
        return samples | _numbers(r": Line (\d+):", str(error))
    return None


def _llama(checker: Checker, files: Mapping[str, Path]) -> BadLines:
    command = ["dataset_validation.py", "-d", "train", "-m", "llama3-1-8b"]
    command += ["-f", str(files["training"])]
    try:
        with mock.patch.object(sys, "argv", command), contextlib.redirect_stdout(io.StringIO()):
            checker["main"]()
    except checker["InvalidRowException"] as error:
        return _numbers(r"occured on line (\d+)", str(error))
    except Exception as error:
        if type(error) is Exception:  # its own refusal of a number of records
            return frozenset()
        raise
    return None


CHECKERS: dict[str, tuple[Model, Callable[[Checker, Mapping[str, Path]], BadLines]]] = {
    "data_validation.py": (find_model("claude-3-haiku"), _claude),
    "nova_ft_dataset_validator.py": (NOVA, _nova),
    "dataset_validation.py": (LLAMA, _llama),
}


def _numbers(pattern: str, text: str) -> frozenset[int]:
    return frozenset(map(int, re.findall(pattern, text, re.MULTILINE)))


def _table(path: Path, judged: Sequence[Judged]) -> Iterator[str]:
    yield f"\n{path.name}, {len(judged)} files\n"
    yield f"| kind | files | {' | '.join(OUTCOMES)} |"
    yield "| --- |" + " ---: |" * (len(OUTCOMES) + 1)
    for group in [*dict.fromkeys(each.case.group for each in judged), None]:
        counts = Counter(each.outcome for each in judged if group in {each.case.group, None})
        cells = " | ".join(str(counts[outcome]) for outcome in OUTCOMES)
        yield f"| {group or '**all**'} | {counts.total()} | {cells} |"
    crashes = Counter(each.error for each in judged if each.error)
    yield f"\nCrashes: {', '.join(f'{name} {count}' for name, count in crashes.most_common())}"
    refused = [each for each in judged if each.outcome == "right" and not each.case.is_good]
    right = sum(each.right_lines for each in refused)
    yield f"Of {len(refused)} bad files rightly refused, the bad lines are named in {right}."
    missed = [each for each in judged if each.outcome != "right" and not each.case.is_good]
    documented = sum(_is_documented(each.case) for each in missed)
    yield f"Of {len(missed)} passed or crashed on, {documented} break a rule of AWS or Anthropic."


def _is_documented(case: Case) -> bool:
    errors = [each for each in case.found if each.severity == "error"]
    return any(CODES[each.code].origin == "documented" for each in errors)


if __name__ == "__main__":
    sys.exit(main())
