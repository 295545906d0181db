"""What is wrong with lines and files: findings, counted, and of each code only the first kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Self

from lambdas.validation.jsonl.codes import CODES, Severity

KEPT_PER_CODE = 100  # of one code in one file; the rest are counted

FindingKey = tuple[str, str, Severity]  # file, code; a code can be an error here, a warning there


class Finding(NamedTuple):
    """One violation of one rule, as reports have it."""

    file: str
    line: int | None  # from 1; None: of the whole file
    field: str  # a path such as messages[0].role, or empty
    code: str
    severity: Severity
    message: str
    fix: str

    @classmethod
    def of(cls, code: str, *said: str, file: str = "", line: int | None = None) -> Self:
        """Return a finding; what is `said` of path, message and fix the code need not say."""
        path, message, fix = (*said, "", "", "")[:3]
        known = CODES[code]
        message, fix = message or known.meaning, fix or known.fix
        return cls(file, line, path, code, known.severity, message, fix)

    @property
    def key(self) -> FindingKey:
        return self.file, self.code, self.severity

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        head = f"{place} {self.field}".rstrip()
        return f"{head}: {self.message} ({self.fix})"


@dataclass
class Findings:
    """All findings are counted; the first `KEPT_PER_CODE` of each code in each file are kept.

    One line can hold a million wrong messages, and a file a million wrong lines.
    """

    warnings: bool = True  # False: these are neither counted nor kept
    file: str = ""  # that is read now
    line: int | None = None  # same, from 1
    kept: list[Finding] = field(default_factory=list)
    counts: Counter[FindingKey] = field(default_factory=Counter)

    def tell(self, code: str, *said: str, file: str = "", line: int | None = None) -> None:
        """Add a finding, as `Finding.of` makes it: of what is read now, unless told otherwise."""
        self.add(Finding.of(code, *said, file=file or self.file, line=line or self.line))

    def add(self, finding: Finding) -> None:
        if finding.severity == "warning" and not self.warnings:
            return
        key = finding.key
        self.counts[key] += 1
        if self.counts[key] <= KEPT_PER_CODE:
            self.kept.append(finding)

    def has_enough(self, code: str) -> bool:
        """Return whether further errors of the code are only counted."""
        return self.counts[self.file, code, "error"] >= KEPT_PER_CODE

    def count(self, severity: Severity) -> int:
        return sum(count for key, count in self.counts.items() if key[2] == severity)

    def first(self, most: int, wanted: Callable[[Finding], bool]) -> list[Finding]:
        """Return wanted findings, the first of each file and code before the second of any."""
        seen: Counter[tuple[str, str]] = Counter()

        def rank(finding: Finding) -> int:
            seen[finding.file, finding.code] += 1
            return seen[finding.file, finding.code]

        return sorted(filter(wanted, self.kept), key=rank)[:most]

    def sort(self, files: Sequence[str]) -> None:
        """Sort by file and line, whole files last."""
        places = {file: at for at, file in enumerate(files)}
        self.kept.sort(
            key=lambda each: (places.get(each.file, -1), each.line is None, each.line or 0)
        )
