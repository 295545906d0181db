"""Bedrock's own count of the records that a job accepted and rejected.

AWS does not document the file. A field report of August 2026 has its columns, under `input_status/`
of the job's output; another has the same name under `input_data_report/`: only the name is matched.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

from lambdas.domain.run.contracts import Contract

INPUT_STATUS_FILE = "manifest.report.csv"


class RecordCounts(Contract):
    """What became of one file's records."""

    file: str
    processed: int
    accepted: int
    partially_accepted: int
    rejected: int


class InputStatus(Contract):
    """What Bedrock said of the data; `problem` is why there are no counts, None if there are."""

    files: tuple[RecordCounts, ...] = ()
    problem: str | None = None


def reports_of(keys: Iterable[str], job_arn: str) -> list[str]:
    """Return the keys of the job's reports among those of its output."""
    job = job_arn.rpartition("/")[2]
    return sorted(
        key for key in keys if key.endswith(f"/{INPUT_STATUS_FILE}") and f"-{job}/" in key
    )


def input_status(texts: Iterable[str]) -> InputStatus:
    """Parse the job's reports; one that is odd is named as the problem and never raised."""
    try:
        files = tuple(counts for text in texts for counts in _parse(text))
    except (ValueError, KeyError, TypeError) as error:
        return InputStatus(problem=f"its {INPUT_STATUS_FILE} could not be understood: {error!r}")
    return InputStatus(files=files) if files else InputStatus(problem="it left no report of them")


def _parse(text: str) -> list[RecordCounts]:
    rows = csv.DictReader(io.StringIO(text.lstrip("\ufeff")), skipinitialspace=True)
    return [
        RecordCounts(
            file=row["fileName"],
            processed=int(row["totalProcessedRecordCount"]),
            accepted=int(row["acceptedRecordCount"]),
            partially_accepted=int(row["partiallyAcceptedRecordCount"]),
            rejected=int(row["rejectedRecordCount"]),
        )
        for row in rows
    ]
