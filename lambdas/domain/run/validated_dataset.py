"""What a run goes on with of a validated dataset."""

from __future__ import annotations

from collections.abc import Iterable

from lambdas.domain.run.contracts import Dataset, FrozenFile
from lambdas.domain.run.dataset_files import EVALUATION, GENERAL, TRAINING, VALIDATION
from lambdas.validation.report import FileSummary, ValidationReport


def dataset_of(
    report: ValidationReport,
    frozen: Iterable[FrozenFile],
    findings_key: str,
    *,
    few_shot_tokens: int = 0,
) -> Dataset:
    """Return the figures of a valid report; `findings_key` says where all of it is."""
    files = report.files
    evaluation, general = files[EVALUATION], files.get(GENERAL, FileSummary())
    return Dataset(
        files=tuple(frozen),
        training_records=files[TRAINING].records,
        validation_records=files.get(VALIDATION, FileSummary()).records,
        evaluation_examples=evaluation.records,
        general_examples=general.records,
        set_aside=len(report.set_aside),
        training_tokens=files[TRAINING].tokens,
        expected_training_tokens=files[TRAINING].expected_tokens,
        evaluation_tokens=evaluation.tokens,
        general_tokens=general.tokens,
        is_japanese=2 * evaluation.japanese > evaluation.records,
        warnings=report.findings.count("warning"),
        system_prompt=report.system_prompt,
        findings_key=findings_key,
        few_shot_tokens=few_shot_tokens,
    )
