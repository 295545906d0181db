"""Prepares a dataset for a model: raw question-answer pairs are converted, the rest is checked.

A source folder holds `training`, `evaluation` and, optionally, `validation`, each either as
prepared `.jsonl`, copied unchanged, or as `.json`: a list of pairs, their two halves recognised by
their keys. The result depends on the source alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lambdas.domain.catalogue import Model
from lambdas.domain.dataset_rules import (
    EVALUATION,
    TRAINING,
    VALIDATION,
    DatasetCheck,
    Finding,
)
from lambdas.domain.pairs import Pair, PairInvalid, read_pair
from lambdas.domain.records import (
    MAX_LINE_BYTES,
    Problems,
    make_record,
    parse_line,
    read_conversation,
    read_example,
)

SYSTEM_PROMPT = (
    "You answer questions precisely. Give a correct answer in a few sentences, keep to what was "
    "asked, and leave out what you are not sure of."
)
_NAMES = (TRAINING, VALIDATION, EVALUATION)


class SourceInvalid(Exception):
    """A source folder cannot be prepared; says which file, which entry and why."""


@dataclass(frozen=True)
class Prepared:
    """What was written, and what the model's rules say of it."""

    files: tuple[Path, ...]
    training_records: int
    validation_records: int
    evaluation_examples: int
    converted: tuple[str, ...]  # source files that held raw pairs
    findings: tuple[Finding, ...]

    @property
    def valid(self) -> bool:
        return all(each.severity != "error" for each in self.findings)

    def __str__(self) -> str:
        text = (
            f"{self.training_records} training records, {self.validation_records} validation "
            f"records, {self.evaluation_examples} evaluation examples"
        )
        return text + (f" (converted: {', '.join(self.converted)})" if self.converted else "")


def prepare(source: Path, out: Path, model: Model, system_prompt: str | None) -> Prepared:
    """Write the dataset in `source` to `out`, in the format of `model`.

    `system_prompt` goes into converted records; None takes `SYSTEM_PROMPT`. What the model's rules
    say of the content is returned, not raised: a run refuses bad data itself, with all reasons.

    Raises
    ------
    SourceInvalid
        A file is missing, unreadable, in another model's format, or holds what is no pair.
    """
    sources = _find_sources(source)
    prompt = SYSTEM_PROMPT if system_prompt is None else system_prompt
    contents = {name: _content(path, name, model, prompt) for name, path in sources.items()}
    _write(out, contents)
    return _summary(out, contents, model, sources)


def _find_sources(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise SourceInvalid(f"{folder} is no folder; give one with training and evaluation data")
    found = {name: path for name in _NAMES if (path := _source_of(folder, name))}
    for name in (TRAINING, EVALUATION):
        if name not in found:
            raise SourceInvalid(
                f"{folder} has neither {name} (prepared) nor {name[:-1]} (question-answer pairs)"
            )
    return found


def _source_of(folder: Path, name: str) -> Path | None:
    prepared, raw = folder / name, folder / name.removesuffix("l")
    if prepared.is_file() and raw.is_file():
        raise SourceInvalid(f"{folder} has both {prepared.name} and {raw.name}: keep one of them")
    return next((path for path in (prepared, raw) if path.is_file()), None)


def _content(path: Path, name: str, model: Model, system_prompt: str) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SourceInvalid(f"{path} cannot be read: {error.strerror}") from None
    if path.name == name:
        _check_format(path, content, name, model)
        return content
    pairs = _read_pairs(path, content)
    if name == EVALUATION:
        return _lines(_example(at, pair) for at, pair in enumerate(pairs, start=1))
    return _lines(
        make_record(model.record_format, system_prompt, pair.question, pair.answer)
        for pair in pairs
    )


def _check_format(path: Path, content: bytes, name: str, model: Model) -> None:
    """Refuse a prepared file that is evidently in another format, by its first line."""
    problems = Problems()
    record = parse_line(content.partition(b"\n")[0], 1, problems)
    if record is None:
        raise SourceInvalid(f"{path}:1: {problems.found[0].message} ({problems.found[0].fix})")
    read: Callable[[], Any] = (
        (lambda: read_example(record, problems))
        if name == EVALUATION
        else (lambda: read_conversation(record, model, problems))
    )
    read()
    wrong = next((each for each in problems.found if each.code == "wrong-format"), None)
    if wrong:
        raise SourceInvalid(f"{path}:1: {wrong.message}")


def _read_pairs(path: Path, content: bytes) -> list[Pair]:
    try:
        values = json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise SourceInvalid(f"{path} is no JSON in UTF-8: {error}") from None
    if not isinstance(values, list) or not values:
        raise SourceInvalid(f"{path} holds no list of question-answer pairs")
    return [_read_one(path, at, value) for at, value in enumerate(values)]


def _read_one(path: Path, at: int, value: object) -> Pair:
    try:
        return read_pair(value)
    except PairInvalid as error:
        raise SourceInvalid(f"{path}: pair {at} (counted from 0): {error}") from None


def _example(number: int, pair: Pair) -> dict[str, str]:
    topic = {"topic": pair.topic} if pair.topic else {}
    return {
        "id": pair.id or f"evaluation-{number:03}",
        "question": pair.question,
        "reference_answer": pair.answer,
        **topic,
    }


def _lines(records: Iterable[dict[str, Any]]) -> bytes:
    lines = (json.dumps(each, ensure_ascii=False) + "\n" for each in records)
    return "".join(lines).encode(errors="backslashreplace")


def _write(out: Path, contents: dict[str, bytes]) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name in _NAMES:
            # A validation set left from an earlier source would become part of this one.
            (out / name).unlink(missing_ok=True)
        for name, content in contents.items():
            (out / name).write_bytes(content)
    except OSError as error:
        raise SourceInvalid(f"{out} cannot be written: {error.strerror}") from None


def _summary(
    out: Path, contents: dict[str, bytes], model: Model, sources: dict[str, Path]
) -> Prepared:
    check = DatasetCheck(model)
    for name, content in contents.items():
        lines = content.removesuffix(b"\n").split(b"\n") if content else []
        check.check_file(name, len(content), (line[: MAX_LINE_BYTES + 1] for line in lines))
    check.finish()
    counts = {name: summary.records for name, summary in check.files.items()}
    return Prepared(
        files=tuple(out / name for name in contents),
        training_records=counts[TRAINING],
        validation_records=counts.get(VALIDATION, 0),
        evaluation_examples=counts[EVALUATION],
        converted=tuple(path.name for name, path in sources.items() if path.name != name),
        findings=tuple(check.findings.kept),
    )
