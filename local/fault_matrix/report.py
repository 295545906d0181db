"""The matrix for a terminal and for docs/faults.md."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from local.call_faults import KINDS
from local.fault_matrix.runner import PROVISIONING_MINUTES

USD_PER_HOUR = 132.0  # Claude 3 Haiku, one unit: lambdas/domain/cost/prices.toml
_SHORT = {"SUCCEEDED": "recovered", "FAILED": "failed", "ABORTED": "stopped", "GONE": "gone"}


@dataclass(frozen=True)
class Row:
    """One played case, as plain values."""

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
        return ", ".join(_SHORT.get(each, each) for each in self.statuses)


def totals(rows: Sequence[Row], normal_minutes: float) -> list[str]:
    """Return the figures that matter, a line each."""
    longest = max(rows, key=lambda row: row.metered_minutes / row.executions)
    minutes = longest.metered_minutes / longest.executions
    usd = minutes / 60 * USD_PER_HOUR
    longest_said = (
        f"Longest on the meter: {minutes:.1f} simulated minutes (${usd:.2f} at "
        f"${USD_PER_HOUR:g} an hour; without a fault {normal_minutes:.1f}): {longest.what}"
    )
    return [
        f"Cases: {len(rows)}",
        f"Recovered and succeeded: {sum(set(row.statuses) == {'SUCCEEDED'} for row in rows)}",
        f"Throughputs or deployments left: {sum(row.throughputs_alive for row in rows)}",
        f"Jobs left running: {sum(row.jobs_running for row in rows)}",
        f"Bought more than once: {sum(row.purchases > row.executions for row in rows)}",
        f"Trained more than once: {sum(row.jobs > row.executions for row in rows)}",
        f"Cases with a breach: {sum(bool(row.breaches) for row in rows)}",
        longest_said,
    ]


def markdown(rows: Sequence[Row], normal_minutes: float) -> str:
    """Return docs/faults.md."""
    calls = [row for row in rows if row.what.rpartition(", ")[2].split()[-1] in _ENDINGS]
    others = [row for row in rows if row not in calls]
    parts = [
        _HEAD.format(provisioning=PROVISIONING_MINUTES),
        "\n".join(f"- {line}" for line in totals(rows, normal_minutes)),
        _CALLS,
        *(_calls(title, group, calls) for title, group in _GROUPS),
        "## Stops, changes, two at once",
        _list(others),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


_ENDINGS = {"time", "once", "pass"}
_GROUPS = (
    ("### Of the run", "run"),
    ("### Of asking and deciding", "decision"),
    ("### Of the guard, after Stop execution", "guard"),
    ("### Of the reaper, after Stop execution and with the guard's event lost", "reaper"),
)
_HEAD = """# Faults
Written by `make faults`, which deploys the `local` environment into the offline AWS and plays each
case on it: one thing goes wrong, the guards get their time on the simulated clock, and then nothing
may be left that bills, no job may run, nothing may have been bought or started twice, and the cause
of a failed execution must name what happened. Provisioning takes {provisioning:g} simulated minutes
here."""


_CALLS = """## Calls
What became of the execution when this call of this function went wrong, and the minutes on the
meter. The first three kinds last until the retries are used up; the others happen once, after the
call has taken effect, and for purchase and start also every time."""


def _calls(title: str, group: str, rows: Iterable[Row]) -> str:
    cells: dict[str, dict[str, list[str]]] = {}
    for row in rows:
        if row.group != group:
            continue
        call, _, rest = row.what.partition(", ")
        kind = next(each for each in KINDS if rest.startswith(each.replace("_", " ")))
        cells.setdefault(call, {}).setdefault(kind, []).append(_cell(row))
    if not cells:
        return ""
    head = ["call", *(kind.replace("_", " ") for kind in KINDS)]
    lines = [_line(head), _line(["---"] * len(head))]
    for call, by_kind in cells.items():
        lines.append(_line([call, *("; ".join(by_kind.get(kind, ["-"])) for kind in KINDS)]))
    return f"{title}\n" + "\n".join(lines)


def _cell(row: Row) -> str:
    mark = "**BREACH** " if row.breaches else ""
    minutes = f" {row.metered_minutes:.1f}" if row.metered_minutes else ""
    return f"{mark}{row.outcome}{minutes}"


def _list(rows: Iterable[Row]) -> str:
    lines = [_line(["case", "ended", "minutes on the meter"]), _line(["---"] * 3)]
    for row in rows:
        mark = "**BREACH** " if row.breaches else ""
        lines.append(_line([row.what, f"{mark}{row.outcome}", f"{row.metered_minutes:.1f}"]))
    return "\n".join(lines)


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
