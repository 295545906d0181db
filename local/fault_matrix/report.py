"""The results of all cases, for the terminal and for docs/faults.md.

The document holds outcomes only: minutes differ a little from run to run, so it has none but the
longest, rounded up.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from local.call_faults import KINDS
from local.fault_matrix.cases import PROVISIONING_MINUTES

USD_PER_HOUR = 132.0  # Claude 3 Haiku, one unit: lambdas/domain/cost/prices.toml
_STEP_MINUTES = 10
_SHORT = {"SUCCEEDED": "recovered", "FAILED": "failed", "ABORTED": "stopped", "GONE": "gone"}


@dataclass(frozen=True)
class Row:
    """One case and its result, as plain values."""

    group: str
    what: str
    statuses: list[str]
    throughputs_alive: int
    jobs_running: int
    purchases: int
    jobs: int
    executions: int
    metered_minutes: float
    breaches: list[str]

    @property
    def outcome(self) -> str:
        return ", ".join(_SHORT.get(status, status) for status in self.statuses)

    @property
    def minutes_per_execution(self) -> float:
        return self.metered_minutes / self.executions

    @property
    def cell(self) -> str:
        bought = ", bought" if self.purchases and "SUCCEEDED" not in self.statuses else ""
        return f"{'**BREACH** ' if self.breaches else ''}{self.outcome}{bought}"


def terminal(rows: Sequence[Row], normal_minutes: float) -> list[str]:
    """Return the totals with exact figures, a line each."""
    longest = max(rows, key=lambda row: row.minutes_per_execution)
    minutes = longest.minutes_per_execution
    usd = minutes / 60 * USD_PER_HOUR
    figure = (
        f"Longest on the meter: {minutes:.1f} simulated minutes (${usd:.2f} at "
        f"${USD_PER_HOUR:g} an hour; without a fault {normal_minutes:.1f}): {longest.what}"
    )
    return [*_counts(rows), figure]


def markdown(rows: Sequence[Row]) -> str:
    """Return docs/faults.md; durations that differ by little give the same text."""
    others = [row for row in rows if row.group not in _TITLES]
    parts = [
        _HEAD.format(provisioning=PROVISIONING_MINUTES),
        "\n".join(f"- {line}" for line in [*_counts(rows), _longest(rows)]),
        _CALLS,
        *(_calls(group, rows) for group in _TITLES),
        "## Stops, changes, two at once",
        "\n".join([*_header(["case", "ended"]), *(_line([row.what, row.cell]) for row in others)]),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _counts(rows: Sequence[Row]) -> list[str]:
    return [
        f"Cases: {len(rows)}",
        f"Recovered and succeeded: {sum(set(row.statuses) == {'SUCCEEDED'} for row in rows)}",
        f"Throughputs or deployments left: {sum(row.throughputs_alive for row in rows)}",
        f"Jobs left running: {sum(row.jobs_running for row in rows)}",
        f"Bought more than once: {sum(row.purchases > row.executions for row in rows)}",
        f"Trained more than once: {sum(row.jobs > row.executions for row in rows)}",
        f"Cases with a breach: {sum(bool(row.breaches) for row in rows)}",
    ]


def _longest(rows: Sequence[Row]) -> str:
    longest = max(rows, key=_rounded_minutes)
    minutes = _rounded_minutes(longest)
    usd = minutes / 60 * USD_PER_HOUR
    return (
        f"Longest on the meter: at most {minutes} simulated minutes, in steps of {_STEP_MINUTES} "
        f"(${usd:.2f} at ${USD_PER_HOUR:g} an hour): {longest.what}"
    )


def _rounded_minutes(row: Row) -> int:
    return math.ceil(row.minutes_per_execution / _STEP_MINUTES) * _STEP_MINUTES


_TITLES = {  # of the groups whose cases are calls
    "run": "Of the run",
    "decision": "Of asking and deciding",
    "guard": "Of the guard, after Stop execution",
    "reaper": "Of the reaper, after Stop execution and with the guard's event lost",
}
_HEAD = """# Faults
Written by `make faults`, which deploys the `local` environment into the offline AWS and plays each
case on it: one thing goes wrong, the guards get their time on the simulated clock, and then nothing
may be left that bills, no job may run, nothing may have been bought or started twice, and the cause
of a failed execution must name what happened. Provisioning takes {provisioning:g} simulated
minutes. The file changes only when an outcome does."""


_CALLS = """## Calls
How the execution ended when this call of this function went wrong; *bought*: a throughput had been
bought by then, and was deleted. The first three kinds last until the retries are used up; the
others happen once, after the call has taken effect, and for purchase and start also every time."""


def _calls(group: str, rows: Iterable[Row]) -> str:
    cells: dict[str, dict[str, list[str]]] = {}
    for row in rows:
        if row.group != group:
            continue
        call, _, rest = row.what.partition(", ")
        kind = next(kind for kind in KINDS if rest.startswith(kind.replace("_", " ")))
        cells.setdefault(call, {}).setdefault(kind, []).append(row.cell)
    if not cells:
        return ""
    lines = _header(["call", *(kind.replace("_", " ") for kind in KINDS)])
    for call, by_kind in cells.items():
        lines.append(_line([call, *("; ".join(by_kind.get(kind, ["-"])) for kind in KINDS)]))
    return "\n".join([f"### {_TITLES[group]}", *lines])


def _header(columns: Sequence[str]) -> list[str]:
    return [_line(columns), _line(["---"] * len(columns))]


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
