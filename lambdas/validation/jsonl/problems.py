"""What is wrong with lines: problems, counted, and of each code only the first kept."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

KEPT_PER_CODE = 100  # of one code in one file; the rest are counted

Severity = Literal["error", "warning"]
ProblemKey = tuple[str, Severity]  # a code can be an error here and a warning there


class Problem(NamedTuple):
    """Something wrong with a line; `field` is a path such as messages[0].role, or empty."""

    field: str
    code: str
    message: str
    fix: str
    severity: Severity = "error"
    line: int = 0  # from 1; 0: not of one line


@dataclass
class Problems:
    """The problems of a line or of many: all are counted, the first of each code are kept.

    One line can hold a million wrong messages, and a file a million wrong lines.
    """

    warnings: bool = True  # False: these are neither counted nor kept
    line: int = 0  # that is read now, from 1
    found: list[Problem] = field(default_factory=list)
    counts: Counter[ProblemKey] = field(default_factory=Counter)

    def error(self, field_path: str, code: str, message: str, fix: str) -> None:
        self.add(Problem(field_path, code, message, fix))

    def warning(self, field_path: str, code: str, message: str, fix: str) -> None:
        self.add(Problem(field_path, code, message, fix, "warning"))

    def add(self, problem: Problem) -> None:
        if problem.severity == "warning" and not self.warnings:
            return
        key = (problem.code, problem.severity)
        self.counts[key] += 1
        if self.counts[key] <= KEPT_PER_CODE:
            self.found.append(problem._replace(line=self.line))

    def has_enough(self, code: str) -> bool:
        """Return whether further errors of the code are only counted."""
        return self.counts[code, "error"] >= KEPT_PER_CODE
