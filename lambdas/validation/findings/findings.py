"""The findings of one dataset: what is wrong in which file and line, and how often."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Self

from lambdas.validation.jsonl.problems import KEPT_PER_CODE, Problem, Problems, Severity


@dataclass(frozen=True)
class Finding:
    """One violation of one rule; `line` counts from 1 and is None for the whole file."""

    file: str
    line: int | None
    field: str
    code: str
    severity: Severity
    message: str
    fix: str

    @classmethod
    def of(cls, file: str, line: int | None, problem: Problem) -> Self:
        field_path, code, message, fix, severity, _ = problem
        return cls(file, line, field_path, code, severity, message, fix)

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        head = f"{place} {self.field}".rstrip()
        return f"{head}: {self.message} ({self.fix})"


@dataclass
class Findings:
    """All findings are counted; the first `KEPT_PER_CODE` of each code in each file are kept."""

    kept: list[Finding] = field(default_factory=list)
    counts: Counter[tuple[str, str, Severity]] = field(default_factory=Counter)

    _kept: Counter[tuple[str, str, Severity]] = field(default_factory=Counter, repr=False)

    def add(self, finding: Finding) -> None:
        self.counts[finding.file, finding.code, finding.severity] += 1
        self._keep(finding)

    def add_problem(self, file: str, line: int | None, problem: Problem) -> None:
        self.add(Finding.of(file, line, problem))

    def add_problems(self, file: str, before: int, problems: Problems) -> None:
        """Add the problems of a range that starts after `before` lines."""
        for (code, severity), count in problems.counts.items():
            self.counts[file, code, severity] += count
        for problem in problems.found:
            self._keep(Finding.of(file, before + problem.line, problem))

    def _keep(self, finding: Finding) -> None:
        key = (finding.file, finding.code, finding.severity)
        if self._kept[key] < KEPT_PER_CODE:
            self._kept[key] += 1
            self.kept.append(finding)

    def add_file(
        self, file: str, code: str, message: str, fix: str, severity: Severity = "error"
    ) -> None:
        self.add_problem(file, None, Problem("", code, message, fix, severity))

    def count(self, severity: Severity) -> int:
        return sum(count for key, count in self.counts.items() if key[2] == severity)

    def first(self, most: int, wanted: Callable[[Finding], bool]) -> list[Finding]:
        """Return wanted findings, the first of each file and code before the second of any."""
        seen: Counter[tuple[str, str]] = Counter()
        ranked = []
        for finding in filter(wanted, self.kept):
            ranked.append((seen[finding.file, finding.code], finding))
            seen[finding.file, finding.code] += 1
        return [finding for _, finding in sorted(ranked, key=itemgetter(0))][:most]

    def sort(self, files: Sequence[str]) -> None:
        """Sort by file and line, whole files last."""
        places = {file: at for at, file in enumerate(files)}
        self.kept.sort(
            key=lambda each: (places.get(each.file, -1), each.line is None, each.line or 0)
        )
