"""Validate dataset: every record of every file against the model's rules."""

from __future__ import annotations

from lambdas.aws.artefacts import ArtefactMissing, Artefacts
from lambdas.domain.catalogue import find_model
from lambdas.domain.contracts import Dataset, Run, StateRequest
from lambdas.domain.dataset_rules import (
    EVALUATION,
    TRAINING,
    VALIDATION,
    DatasetCheck,
    refusal,
    report,
)
from lambdas.domain.errors import DatasetInvalid
from lambdas.domain.records import MAX_LINE_BYTES
from lambdas.step import step


def validate_dataset(request: StateRequest) -> Dataset:
    run = request.run
    artefacts = Artefacts(run.bucket)
    check = DatasetCheck(find_model(run.model), run.system_prompt)
    for file, key in _files(run):
        _check_file(check, file, key, artefacts)
    check.finish()
    findings_key = artefacts.put_json(f"{run.prefix}/validation.json", report(check))
    if not check.valid:
        raise DatasetInvalid(refusal(check, artefacts.uri(findings_key)))
    return _result(check, findings_key)


def _files(run: Run) -> list[tuple[str, str]]:
    validation = [(VALIDATION, run.validation_key)] if run.validation_key else []
    return [(TRAINING, run.training_key), *validation, (EVALUATION, run.evaluation_key)]


def _check_file(check: DatasetCheck, file: str, key: str, artefacts: Artefacts) -> None:
    size_bytes = artefacts.size_of(key)
    if size_bytes is None:
        raise ArtefactMissing(f"{artefacts.uri(key)} was removed after the run's preflight")
    check.check_file(file, size_bytes, artefacts.iter_lines(key, max_line_bytes=MAX_LINE_BYTES))


def _result(check: DatasetCheck, findings_key: str) -> Dataset:
    files = check.files
    return Dataset(
        training_records=files[TRAINING].records,
        validation_records=files[VALIDATION].records if VALIDATION in files else 0,
        evaluation_examples=files[EVALUATION].records,
        training_tokens=files[TRAINING].tokens,
        warnings=check.findings.count("warning"),
        system_prompt=check.answer_system_prompt(),
        findings_key=findings_key,
    )


handler = step("Validate dataset", StateRequest)(validate_dataset)
