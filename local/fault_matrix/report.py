"""The results of all cases, for the terminal and for docs/faults.md.

The document holds outcomes only: minutes differ a little from run to run, so it has none but the
longest, rounded up.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from lambdas.domain.cost.calculator import Calculator
from lambdas.domain.cost.price_book import PriceBook
from local.call_faults import KINDS
from local.fault_matrix.cases import NAMES, PROVISIONING_MINUTES
from local.fault_matrix.results import CaseResult
from stacks.environment import load

_STEP_MINUTES = 10


def terminal(results: Sequence[CaseResult], normal_minutes: float) -> list[str]:
    """Return the totals with exact figures, a line each."""
    longest = max(results, key=lambda result: result.minutes_per_execution)
    minutes = longest.minutes_per_execution
    figure = (
        f"Longest on the meter: {minutes:.1f} simulated minutes ({_cost(minutes)}; "
        f"without a fault {normal_minutes:.1f}): {longest.case.what}"
    )
    return [*_counts(results), figure]


def markdown(results: Sequence[CaseResult]) -> str:
    """Return docs/faults.md; durations that differ by little give the same text."""
    others = [
        (result.case.what, _cell(result)) for result in results if result.case.group not in _TITLES
    ]
    parts = [
        _HEAD.format(provisioning=PROVISIONING_MINUTES),
        "\n".join(f"- {line}" for line in [*_counts(results), _longest(results)]),
        _CALLS,
        *(_calls(group, results) for group in _TITLES),
        "## Stops, changes, two at once",
        "\n".join([*_header(["case", "ended"]), *(_line(row) for row in others)]),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _counts(results: Sequence[CaseResult]) -> list[str]:
    return [
        f"Cases: {len(results)}",
        f"Recovered and succeeded: {sum(result.recovered for result in results)}",
        f"Throughputs or deployments left: {sum(result.throughputs_alive for result in results)}",
        f"Jobs left running: {sum(result.jobs_running for result in results)}",
        f"Bought more than once: {sum(result.bought_again for result in results)}",
        f"Trained more than once: {sum(result.trained_again for result in results)}",
        f"Cases with a breach: {sum(bool(result.breaches) for result in results)}",
    ]


def _longest(results: Sequence[CaseResult]) -> str:
    longest = max(results, key=_rounded_minutes)
    minutes = _rounded_minutes(longest)
    return (
        f"Longest on the meter: at most {minutes} simulated minutes, in steps of {_STEP_MINUTES} "
        f"({_cost(minutes)}): {longest.case.what}"
    )


def _cost(minutes: float) -> str:
    """Return what one unit of the environment's model costs for these minutes."""
    local = load(NAMES.environment)
    prices = Calculator(PriceBook.load(local.prices), local.region)
    usd, usd_per_hour = (prices.hosting_usd(local.defaults.model, 1, m) for m in (minutes, 60))
    return f"${usd:.2f} at ${usd_per_hour:g} an hour"


def _rounded_minutes(result: CaseResult) -> int:
    return math.ceil(result.minutes_per_execution / _STEP_MINUTES) * _STEP_MINUTES


_TITLES = {  # of the groups whose cases are calls
    "run": "Of the run",
    "decision": "Of asking and deciding",
    "guard": "Of the guard, after Stop execution",
    "reaper": "Of the reaper, after Stop execution and with the guard's event lost",
}
_HEAD = """# Faults
Written by `make faults`, which deploys the `local` environment into the offline AWS, there with a
budget for Amazon Comprehend, and injects one fault per case: the guards get their time on the
simulated clock, and then nothing may be left that bills, no job may run, nothing may have been
bought or started twice, and the cause of a failed execution must name what happened. Provisioning
takes {provisioning:g} simulated minutes. The file changes only when an outcome does."""


_CALLS = """## Calls
How the execution ended when this call of this function went wrong; *bought*: a throughput had been
bought by then, and was deleted. The first three kinds last until the retries are used up; the
others happen once, after the call has taken effect, and for purchase and start also every time."""


def _calls(group: str, results: Iterable[CaseResult]) -> str:
    cells: dict[str, dict[str, list[str]]] = {}
    for result in results:
        if result.case.group != group:
            continue
        call, _, rest = result.case.what.partition(", ")
        kind = next(kind for kind in KINDS if rest.startswith(kind.replace("_", " ")))
        cells.setdefault(call, {}).setdefault(kind, []).append(_cell(result))
    if not cells:
        return ""
    lines = _header(["call", *(kind.replace("_", " ") for kind in KINDS)])
    for call, by_kind in cells.items():
        lines.append(_line([call, *("; ".join(by_kind.get(kind, ["-"])) for kind in KINDS)]))
    return "\n".join([f"### {_TITLES[group]}", *lines])


def _cell(result: CaseResult) -> str:
    bought = ", bought" if result.purchases and "SUCCEEDED" not in result.statuses else ""
    return f"{'**BREACH** ' if result.breaches else ''}{result.outcome}{bought}"


def _header(columns: Sequence[str]) -> list[str]:
    return [_line(columns), _line(["---"] * len(columns))]


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
