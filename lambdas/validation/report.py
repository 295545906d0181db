"""The result of a check, as JSON and as the message of a refusal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from lambdas.domain.models.model import Model
from lambdas.validation.jsonl.display import quantity, shortened
from lambdas.validation.jsonl.findings import KEPT_PER_CODE, Findings

AsideReason = Literal[
    "in training or validation",
    "nearly in training or validation",
    "asked twice",
    "nearly asked twice",
]
_SHOWN_FINDINGS = 5
_SHOWN_CHARACTERS = 400


@dataclass(frozen=True)
class FileSummary:
    """Counts of one file."""

    lines: int = 0
    records: int = 0  # lines that are not blank, valid or not
    size_bytes: int = 0
    tokens: int = 0  # upper estimate; above 1 MiB, from a sample of the records
    least_tokens: int = 0  # lower estimate, as is `tokens`
    expected_tokens: int = 0  # between the two, as `tokens.estimate` expects
    japanese: int = 0  # examples whose texts are mostly in Japanese script


@dataclass(frozen=True)
class ValidationReport:
    """Whether a dataset is valid, and why not."""

    model: Model
    findings: Findings
    files: Mapping[str, FileSummary]
    system_prompt: str | None  # for evaluation: the one given, else the most common
    fail_on: frozenset[str] = frozenset()
    # Evaluation examples that can decide nothing, by their ids.
    set_aside: Mapping[str, AsideReason] = field(default_factory=dict)
    general_set_aside: Mapping[str, AsideReason] = field(default_factory=dict)  # the same, general
    services: Mapping[str, Any] = field(default_factory=dict)  # coverage of the optional checks

    @property
    def valid(self) -> bool:
        return not any(map(self.refuses, self.findings.counts))

    def refuses(self, counted: tuple[str, str, str]) -> bool:
        """Return whether findings of this file, code and severity make the dataset invalid."""
        _, code, severity = counted
        return severity == "error" or code in self.fail_on

    def refusing_warnings(self) -> list[str]:
        """Return the codes of the warnings that make the dataset invalid; empty beside errors."""
        if self.findings.count("error"):
            return []
        return sorted({code for _, code, _ in filter(self.refuses, self.findings.counts)})

    def as_json(self) -> dict[str, Any]:
        return {
            "verdict": "valid" if self.valid else "invalid",
            "findings": [each._asdict() for each in self.findings.kept],
            "summary": {
                "model": self.model.key,
                "record_format": self.model.record_format,
                "errors": self.findings.count("error"),
                "warnings": self.findings.count("warning"),
                "fail_on_warnings": sorted(self.fail_on),
                "system_prompt": self.system_prompt,
                "files": {name: asdict(summary) for name, summary in self.files.items()},
                "counts": [
                    {"file": file, "code": code, "severity": severity, "count": count}
                    for (file, code, severity), count in sorted(self.findings.counts.items())
                ],
                "set_aside": dict(self.set_aside),
                "general_set_aside": dict(self.general_set_aside),
                "kept_per_code_and_file": KEPT_PER_CODE,
                **({"services": dict(self.services)} if self.services else {}),
            },
        }


def refusal(report: ValidationReport, report_uri: str) -> str:
    """Return the message for an invalid dataset: counts, first reasons, location of the rest."""
    findings = report.findings
    errors, warnings = findings.count("error"), findings.count("warning")
    reasons = sum(count for key, count in findings.counts.items() if report.refuses(key))
    first = findings.first(_SHOWN_FINDINGS, lambda each: report.refuses(each.key))
    counts = f"{quantity(errors, 'error')}, {quantity(warnings, 'warning')}"
    head = f"the dataset breaks rules of {report.model.name}: {counts}"
    if codes := report.refusing_warnings():
        head = (
            f"the dataset breaks no rule of {report.model.name}, but this environment's "
            f"fail_on_warnings refuses {', '.join(codes)}: {quantity(reasons, 'warning')}"
        )
    lines = [head]
    lines += [shortened(str(each), _SHOWN_CHARACTERS) for each in first]
    if reasons > len(first):
        lines.append(f"… and {reasons - len(first)} more")
    return "\n".join([*lines, f"All findings: {report_uri}"])
