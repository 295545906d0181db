"""Checks a dataset for fine-tuning; the state *Validate dataset* and the command line use it.

`check.check` reads files of any size in byte ranges and returns a `ValidationReport`; `CODES` has
the meaning of each finding. `check` is not imported here: most functions do without its numpy.
Rooms import in the order `jsonl`, `formats`, `warnings`; the modules at the top, all of them.
"""

from lambdas.validation.formats.conversation import Conversation, Turn, make_record
from lambdas.validation.jsonl.codes import CODES, WARNINGS, Code, Severity
from lambdas.validation.jsonl.findings import KEPT_PER_CODE, Finding, Findings
from lambdas.validation.jsonl.lines import MAX_LINE_BYTES
from lambdas.validation.jsonl.ranges import DatasetSource, FileSource
from lambdas.validation.report import FileSummary, ValidationReport, refusal

__all__ = [
    "CODES",
    "KEPT_PER_CODE",
    "MAX_LINE_BYTES",
    "WARNINGS",
    "Code",
    "Conversation",
    "DatasetSource",
    "FileSource",
    "FileSummary",
    "Finding",
    "Findings",
    "Severity",
    "Turn",
    "ValidationReport",
    "make_record",
    "refusal",
]
