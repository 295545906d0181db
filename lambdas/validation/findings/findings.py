"""The findings of one dataset: what is wrong in which file and line, and how often."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from lambdas.validation.jsonl.problems import KEPT_PER_CODE, Problem, ProblemKey, Severity


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
    """All findings are counted; of each code in each file the first `KEPT_PER_CODE` are kept."""

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
        counts: Mapping[ProblemKey, int],
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

    def full(self, file: str) -> frozenset[ProblemKey]:
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
