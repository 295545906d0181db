"""Checks a dataset for fine-tuning; the state *Validate dataset* and the command line use it.

`check` reads files of any size in byte ranges and returns a `Report`. `CODES` says what each
finding means.
"""

from lambdas.validation.check import Options, Progress, check
from lambdas.validation.findings.codes import CODES, WARNINGS, Code
from lambdas.validation.findings.findings import Finding
from lambdas.validation.findings.report import FileSummary, Report, refusal
from lambdas.validation.formats.conversation import Conversation, Turn, make_record
from lambdas.validation.jsonl.lines import MAX_LINE_BYTES
from lambdas.validation.jsonl.problems import KEPT_PER_CODE, Problems, Severity
from lambdas.validation.jsonl.sources import BytesSource, FileSource, Source

__all__ = [
    "CODES",
    "KEPT_PER_CODE",
    "MAX_LINE_BYTES",
    "WARNINGS",
    "BytesSource",
    "Code",
    "Conversation",
    "FileSource",
    "FileSummary",
    "Finding",
    "Options",
    "Problems",
    "Progress",
    "Report",
    "Severity",
    "Source",
    "Turn",
    "check",
    "make_record",
    "refusal",
]
