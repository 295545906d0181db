"""Every case of the corpus: exactly the findings that its row names, with line, code and field."""

from __future__ import annotations

import pytest

from lambdas.validation import DatasetSource, ValidationReport
from lambdas.validation.check import Options, check
from tests.fakes.bytes_source import BytesSource
from tests.models import CLAUDE_3_HAIKU
from tests.unit.validation.corpus.corpus import Case, Expected, Kind, good_lines
from tests.unit.validation.corpus.corpus_all import CASES

# Warnings that are rules of lines and records; all others compare records, or read their meaning.
OF_RULES = {"crlf", "schema-version", "reserved-word", "maybe-too-many-tokens"}


def checked(case: Case, *, warnings: bool) -> ValidationReport:
    sources = {
        kind: BytesSource(case.key if case.key and kind == case.kind else kind, content)
        for kind, content in case.files.items()
    }
    return check(
        case.model,
        sources["training"],
        sources.get("validation"),
        sources.get("evaluation"),
        Options(warnings=warnings),
    )


def found(report: ValidationReport, file: str) -> list[Expected]:
    return sorted(
        Expected(each.line or 0, each.code, each.field, each.severity)
        for each in report.findings.kept
        if each.file == file and (each.severity == "error" or each.code in OF_RULES)
    )


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=str)
def test_exactly_what_the_row_says(case: Case) -> None:
    warns = any(each.severity == "warning" for each in case.found)
    report = checked(case, warnings=warns)
    assert found(report, case.key or case.kind) == sorted(case.found)
    assert report.valid == case.is_good


class TooLarge:
    """A file that must not be read."""

    name = "too large"

    def __init__(self, size_bytes: int) -> None:
        self.size_bytes = size_bytes

    def read(self, start: int, stop: int) -> bytes:
        raise AssertionError(f"read from {start} to {stop}")


@pytest.mark.parametrize(
    ("kind", "limit"),
    [("training", 10 * 1024**3), ("validation", 1024**3), ("evaluation", 64 * 1024**2)],
)
def test_a_file_that_is_too_large_is_not_read(kind: Kind, limit: int) -> None:
    good = BytesSource("good", good_lines(CLAUDE_3_HAIKU, "training"))

    def checked_with(file: DatasetSource) -> ValidationReport:
        sources: dict[Kind, DatasetSource] = {"training": good, kind: file}
        return check(
            CLAUDE_3_HAIKU,
            sources["training"],
            sources.get("validation"),
            sources.get("evaluation"),
        )

    report = checked_with(TooLarge(limit + 1))
    assert found(report, "too large") == [Expected(0, "file-too-large", "", "error")]
    with pytest.raises(AssertionError, match="read from 0"):
        checked_with(TooLarge(limit))
