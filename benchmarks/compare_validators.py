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
import importlib.util
import io
import re
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Literal, NamedTuple
from unittest import mock

from lambdas.domain.models.catalogue import CLAUDE_3_HAIKU
from lambdas.domain.models.model import Model
from lambdas.validation import CODES
from tests.unit.validation.corpus.corpus import LLAMA, NOVA, Case
from tests.unit.validation.corpus.corpus_all import CASES

Answer = Literal["passes", "refuses", "crashes"]
OUTCOMES = ("right", "passes a bad one", "refuses a good one", "crashes")


class Said(NamedTuple):
    """The verdict of a checker on one dataset."""

    answer: Answer
    lines: frozenset[int]  # that it names
    error: str = ""  # the type of what it crashes with


class Checker(NamedTuple):
    """How one of AWS's checkers is run."""

    model: Model
    run: Callable[[ModuleType, Mapping[str, Path]], Said]


class Judged(NamedTuple):
    """One case and how the checker did."""

    case: Case
    outcome: str
    said: Said
    right_lines: bool


def main() -> int:
    options = _parser().parse_args()
    for path in options.paths:
        checker = CHECKERS.get(path.name)
        if checker is None or not path.is_file():
            sys.stderr.write(f"{path}: not a file named {' or '.join(CHECKERS)}\n")
            return 2
        judged = list(_judge(checker, _module(path)))
        _say("\n".join(_table(path, judged)))
        if options.list:
            _say("\n".join(_wrong(judged)))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("paths", type=Path, nargs="+", metavar="PATH")
    parser.add_argument("--list", action="store_true", help="name every case that is judged wrong")
    return parser


def _module(path: Path) -> ModuleType:
    """Load the checker, with its folder on the path: one of them imports from there."""
    sys.path.insert(0, str(path.parent.resolve()))
    spec = importlib.util.spec_from_file_location(f"checker_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _judge(checker: Checker, module: ModuleType) -> Iterator[Judged]:
    with tempfile.TemporaryDirectory() as folder:
        for case in CASES:
            if case.model is checker.model and _is_judged(case):
                said = _said(checker, module, _write(Path(folder), case))
                yield Judged(case, _outcome(case, said), said, said.lines == _bad_lines(case))


def _is_judged(case: Case) -> bool:
    """Leave out what no checker can be wrong on, as only the service knows its tokens."""
    unsure = any(each.code == "maybe-too-many-tokens" for each in case.found)
    return case.kind != "evaluation" and not case.key and not unsure


def _said(checker: Checker, module: ModuleType, files: Mapping[str, Path]) -> Said:
    try:
        return checker.run(module, files)
    except Exception as error:  # noqa: BLE001  # whatever it is, the checker does not survive it
        return Said("crashes", frozenset(), type(error).__name__)


def _write(folder: Path, case: Case) -> dict[str, Path]:
    paths = {}
    for kind, content in case.files.items():
        paths[str(kind)] = folder / f"{kind}.jsonl"
        paths[str(kind)].write_bytes(content)
    return paths


def _outcome(case: Case, said: Said) -> str:
    if said.answer == "crashes":
        return "crashes"
    if case.is_good:
        return "right" if said.answer == "passes" else "refuses a good one"
    return "right" if said.answer == "refuses" else "passes a bad one"


def _bad_lines(case: Case) -> frozenset[int]:
    return frozenset(each.line for each in case.found if each.line and each.severity == "error")


def _claude(module: ModuleType, files: Mapping[str, Path]) -> Said:
    output = io.StringIO()
    validation = files.get("validation")
    with contextlib.redirect_stdout(output):
        module.validate_data(str(files["training"]), validation and str(validation))
    text = output.getvalue()
    passed = "All data passed validation!" in text
    return Said("passes" if passed else "refuses", _numbers(r"^- Line (\d+):", text))


def _nova(module: ModuleType, files: Mapping[str, Path]) -> Said:
    options = argparse.Namespace(input_file=str(files["training"]), model_name="micro")
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            module.validate_converse_dataset(options)
    except module.NovaClientError as error:
        samples = {number + 1 for number in _numbers(r"Sample (\d+) - ", str(error))}
        return Said("refuses", frozenset(samples) | _numbers(r": Line (\d+):", str(error)))
    return Said("passes", frozenset())


def _llama(module: ModuleType, files: Mapping[str, Path]) -> Said:
    arguments = ["dataset_validation.py", "-d", "train", "-m", "llama3-1-8b"]
    command = [*arguments, "-f", str(files["training"])]
    try:
        with mock.patch.object(sys, "argv", command), contextlib.redirect_stdout(io.StringIO()):
            module.main()
    except module.InvalidRowException as error:
        return Said("refuses", _numbers(r"occured on line (\d+)", str(error)))
    except Exception as error:
        if type(error) is Exception:  # its own refusal of a number of records
            return Said("refuses", frozenset())
        raise
    return Said("passes", frozenset())


CHECKERS = {
    "data_validation.py": Checker(CLAUDE_3_HAIKU, _claude),
    "nova_ft_dataset_validator.py": Checker(NOVA, _nova),
    "dataset_validation.py": Checker(LLAMA, _llama),
}


def _numbers(pattern: str, text: str) -> frozenset[int]:
    return frozenset(map(int, re.findall(pattern, text, re.MULTILINE)))


def _table(path: Path, judged: Sequence[Judged]) -> Iterator[str]:
    by_group: defaultdict[str, list[Judged]] = defaultdict(list)
    for each in judged:
        by_group[each.case.group].append(each)
    yield f"\n{path.name}, {len(judged)} files\n"
    yield f"| kind | files | {' | '.join(OUTCOMES)} |"
    yield "| --- |" + " ---: |" * (len(OUTCOMES) + 1)
    for group, rows in [*by_group.items(), ("**all**", list(judged))]:
        counts = Counter(each.outcome for each in rows)
        cells = " | ".join(str(counts[each]) for each in OUTCOMES)
        yield f"| {group} | {len(rows)} | {cells} |"
    crashes = Counter(each.said.error for each in judged if each.said.error)
    yield f"\nCrashes: {', '.join(f'{name} {count}' for name, count in crashes.most_common())}"
    refused = [each for each in judged if each.outcome == "right" and not each.case.is_good]
    right = sum(each.right_lines for each in refused)
    yield f"Of {len(refused)} bad files rightly refused, the bad lines are named in {right}."
    yield from _origins(judged)


def _origins(judged: Sequence[Judged]) -> Iterator[str]:
    """Say how the wrong answers divide between what AWS documents and what this project adds."""
    bad = [each for each in judged if each.outcome in {"passes a bad one", "crashes"}]
    counts = Counter(_origin(each.case) for each in bad if not each.case.is_good)
    yield "Bad files passed or crashed on, by who makes the rule: " + ", ".join(
        f"{origin} {count}" for origin, count in counts.most_common()
    )


def _origin(case: Case) -> str:
    origins = {CODES[each.code].origin for each in case.found if each.severity == "error"}
    return "documented" if "documented" in origins else min(origins)


def _wrong(judged: Sequence[Judged]) -> Iterator[str]:
    for each in judged:
        if each.outcome != "right":
            error = f" ({each.said.error})" if each.said.error else ""
            yield f"- {each.outcome}{error}: {each.case.group}: {each.case.name}"


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    sys.exit(main())
