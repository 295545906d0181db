"""Finds the files of a folder of data, and tells which are in the model's format already."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from dataset.sources.files import SourceInvalid
from dataset.sources.raw import READERS
from lambdas.domain.models.model import Model
from lambdas.domain.run.dataset_files import EVALUATION, GENERAL, TRAINING, VALIDATION
from lambdas.validation import Findings
from lambdas.validation.formats.conversation import FileKind
from lambdas.validation.formats.records import read_record
from lambdas.validation.jsonl.lines import parse_line

DATASET_FILES = (TRAINING, VALIDATION, EVALUATION, GENERAL)
QUESTION_FILES = (EVALUATION, GENERAL)
# Findings on how a file is written, which converting it corrects: all but those on what it says.
_OF_CONTENT = {
    *("empty", "first-role", "id-too-long", "last-role", "lone-surrogate", "reserved-word"),
    *("role-repeats", "too-few-messages"),
}


def find_sources(folder: str, names: Sequence[str]) -> dict[str, str]:
    """Return the name of the source of each file of the dataset, of all names in a folder.

    Raises
    ------
    SourceInvalid
        Training or evaluation is missing, or there are two sources of one file.
    """
    found = {}
    for name in DATASET_FILES:
        known = {Path(name).stem + suffix for suffix in READERS}
        there = [own for own in names if own.removesuffix(".gz") in known]
        if len(there) > 1:
            raise SourceInvalid(f"{folder} has both {' and '.join(there)}: keep one of them")
        if there:
            found[name] = there[0]
    for name in (TRAINING, EVALUATION):
        if name not in found:
            stem = Path(name).stem
            raise SourceInvalid(
                f"{folder} has no {', '.join(stem + suffix for suffix in READERS)}: add one, or "
                "give a single file, which is split"
            )
    return found


def has_format(content: bytes, name: str, model: Model) -> bool:
    """Say whether a whole file is written as the model needs it, whatever it says."""
    kind: FileKind = "evaluation" if name in QUESTION_FILES else "training"
    for at, line in enumerate(io.BytesIO(content)):
        findings = Findings(warnings=False)
        record = parse_line(line.removesuffix(b"\n"), findings, is_first=not at)
        if record is None:
            return False
        conversation = read_record(record, kind, model, findings)
        if not {each.code for each in findings.kept} <= _OF_CONTENT:
            return False
        if "system" in record and conversation and conversation.system is None:
            return False  # an empty one is left out by converting the file
    return bool(content)
