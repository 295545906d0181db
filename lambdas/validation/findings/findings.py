"""What is wrong, where: problems of one line, findings of one dataset, and how they are counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from lambdas.validation.findings.codes import Severity

KEPT_PER_CODE = 100  # of one code in one file; the rest is counted


class Problem(NamedTuple):
    """Something wrong with one line; `field` is a path such as messages[0].role, or empty."""

    field: str
    code: str
    message: str
    fix: str
    severity: Severity = "error"


Key = tuple[str, Severity]  # a code can be an error here and a warning there


@dataclass(slots=True)
class Problems:
    """All that is wrong with one line counted; of each code, the first `KEPT_PER_CODE` kept.

    One line can hold a million wrong messages, so that even its problems need a bound. And of a
    file with a million wrong lines most problems are only counted: what is in `full` is not kept.
    """

    found: list[Problem] = field(default_factory=list)
    counts: dict[Key, int] = field(default_factory=dict)
    full: Container[Key] = frozenset()
    encodable: bool = False  # whether the line's texts surely hold no half surrogates

    def clear(self) -> None:
        """Forget the line, to be used for the next: that is faster than to make another."""
        self.found.clear()
        self.counts.clear()
        self.encodable = False

    def error(self, field_path: str, code: str, message: str, fix: str) -> None:
        self.add(Problem(field_path, code, message, fix))

    def warning(self, field_path: str, code: str, message: str, fix: str) -> None:
        self.add(Problem(field_path, code, message, fix, "warning"))

    def skip_full(self, code: str) -> bool:
        """Count one more error without its text, if enough of its code are kept; say whether.

        To word a problem takes longer than to find it: whoever finds many asks this first.
        """
        key: Key = (code, "error")
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


@dataclass(frozen=True)
class Finding:
    """One breach of one rule; `line` counts from 1, or is None where the whole file is meant."""

    file: str
    line: int | None
    field: str
    code: str
    severity: Severity
    message: str
    fix: str

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        head = f"{place} {self.field}".rstrip()
        return f"{head}: {self.message} ({self.fix})"


@dataclass
class Findings:
    """All findings counted; of each code in each file, the first `KEPT_PER_CODE` kept."""

    kept: list[Finding] = field(default_factory=list)
    counts: Counter[tuple[str, str, Severity]] = field(default_factory=Counter)

    _kept: Counter[tuple[str, str, Severity]] = field(default_factory=Counter, repr=False)

    def add(self, finding: Finding) -> None:
        self.counts[finding.file, finding.code, finding.severity] += 1
        self._keep(finding)

    def add_counted(
        self,
        file: str,
        before: int,
        problems: Iterable[tuple[int, Problem]],
        counts: Mapping[tuple[str, Severity], int],
    ) -> None:
        """Add what a part of a file holds, `before` lines into it: some problems, all counted."""
        for (code, severity), count in counts.items():
            self.counts[file, code, severity] += count
        for line, each in problems:
            self._keep(
                Finding(
                    file,
                    before + line,
                    each.field,
                    each.code,
                    each.severity,
                    each.message,
                    each.fix,
                )
            )

    def _keep(self, finding: Finding) -> None:
        key = (finding.file, finding.code, finding.severity)
        if self._kept[key] < KEPT_PER_CODE:
            self._kept[key] += 1
            self.kept.append(finding)

    def full(self, file: str) -> frozenset[Key]:
        """Return of what in a file enough findings are kept."""
        return frozenset(
            (code, severity)
            for (name, code, severity), count in self._kept.items()
            if name == file and count == KEPT_PER_CODE
        )

    def add_file(
        self, file: str, code: str, message: str, fix: str, severity: Severity = "error"
    ) -> None:
        self.add(Finding(file, None, "", code, severity, message, fix))

    def count(self, severity: Severity) -> int:
        return sum(count for (_, _, each), count in self.counts.items() if each == severity)

    def first_errors(self, most: int) -> list[Finding]:
        """Return errors, the first of each kind before the second of any."""
        return self.first(most, lambda each: each.severity == "error")

    def first(self, most: int, wanted: Callable[[Finding], bool]) -> list[Finding]:
        """Return wanted findings, the first of each kind before the second of any."""
        ranks: Counter[tuple[str, str]] = Counter()
        ranked = []
        for each in filter(wanted, self.kept):
            ranked.append((ranks[each.file, each.code], each))
            ranks[each.file, each.code] += 1
        return [each for _, each in sorted(ranked, key=lambda pair: pair[0])][:most]

    def sort(self, files: Sequence[str]) -> None:
        """Put what is kept in the order of files and lines, whole files last."""
        places = {file: at for at, file in enumerate(files)}
        self.kept.sort(
            key=lambda each: (places.get(each.file, -1), each.line is None, each.line or 0)
        )
