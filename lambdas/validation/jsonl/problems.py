"""What is wrong with one line: problems, counted, and of each code only the first kept."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

KEPT_PER_CODE = 100  # of one code in one file; the rest are counted

Severity = Literal["error", "warning"]
ProblemKey = tuple[str, Severity]  # a code can be an error here and a warning there


class Problem(NamedTuple):
    """Something wrong with one line; `field` is a path such as messages[0].role, or empty."""

    field: str
    code: str
    message: str
    fix: str
    severity: Severity = "error"


@dataclass(slots=True)
class Problems:
    """The problems of one line: all are counted, the first `KEPT_PER_CODE` of each code kept.

    One line can hold a million wrong messages, so even its problems need a bound. In a file with a
    million wrong lines most problems are only counted: those whose key is in `full` are not kept.
    """

    found: list[Problem] = field(default_factory=list)
    counts: dict[ProblemKey, int] = field(default_factory=dict)
    full: Container[ProblemKey] = frozenset()
    encodable: bool = False  # the line's texts are known to hold no lone surrogates

    def clear(self) -> None:
        """Start on the next line; faster than creating another object."""
        self.found.clear()
        self.counts.clear()
        self.encodable = False

    def error(self, field_path: str, code: str, message: str, fix: str) -> None:
        self.add(Problem(field_path, code, message, fix))

    def warning(self, field_path: str, code: str, message: str, fix: str) -> None:
        self.add(Problem(field_path, code, message, fix, "warning"))

    def skip_full(self, code: str) -> bool:
        """Count an error without formatting it if enough of its code are kept; return whether.

        Formatting costs more than detecting, so code that can find many errors calls this first.
        """
        key: ProblemKey = (code, "error")
        count = self.counts.get(key, 0)
        if count < KEPT_PER_CODE and key not in self.full:
            return False
        self.counts[key] = count + 1
        return True

    def add(self, problem: Problem) -> None:
        key = (problem.code, problem.severity)
        count = self.counts.get(key, 0)
        self.counts[key] = count + 1
        if count < KEPT_PER_CODE and key not in self.full:
            self.found.append(problem)
