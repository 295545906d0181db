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
from local.fault_matrix.cases import (
    PROVISIONING_MINUTES,
    SETTINGS,
    TRAINING_MINUTES,
    Case,
    Setting,
)
from local.fault_matrix.results import CaseResult
from stacks.environment import load

_STEP_MINUTES = 10


def terminal(results: Sequence[CaseResult]) -> list[str]:
    """Return the totals with exact figures, a line each, by environment."""
    return [
        line
        for setting, there in _by_setting(results)
        for line in (f"{setting.environment}:", *_counts(there), *_longest(there, exact=True))
    ]


def markdown(results: Sequence[CaseResult]) -> str:
    """Return docs/faults.md; durations that differ by little give the same text."""
    sections = (_section(setting, there) for setting, there in _by_setting(results))
    head = _HEAD.format(provisioning=PROVISIONING_MINUTES, training=TRAINING_MINUTES)
    return "\n\n".join([head, *sections]) + "\n"


def _by_setting(results: Sequence[CaseResult]) -> list[tuple[Setting, list[CaseResult]]]:
    """Return the settings that were played, each with its results."""
    found = (
        (setting, [result for result in results if result.case.setting == setting])
        for setting in SETTINGS.values()
    )
    return [(setting, there) for setting, there in found if there]


def _section(setting: Setting, results: Sequence[CaseResult]) -> str:
    others = [
        (result.case.what, _cell(result)) for result in results if result.case.group not in _TITLES
    ]
    parts = [
        f"## `{setting.environment}`: {setting.title}",
        "\n".join(f"- {line}" for line in [*_counts(results), *_longest(results)]),
        *(_calls(group, results) for group in _TITLES),
        "\n".join([_OTHERS, *_header(["case", "ended"]), *(_line(row) for row in others)]),
    ]
    return "\n\n".join(part for part in parts if part)


def _counts(results: Sequence[CaseResult]) -> list[str]:
    return [
        f"Cases: {len(results)}",
        f"Recovered and succeeded: {sum(result.recovered for result in results)}",
        f"Throughputs or deployments left: {sum(result.hosting_left for result in results)}",
        f"Jobs left running: {sum(result.jobs_running for result in results)}",
        f"Bought or deployed more than once: {sum(result.hosted_again for result in results)}",
        f"Trained more than once: {sum(result.trained_again for result in results)}",
        f"Cases with a breach: {sum(bool(result.breaches) for result in results)}",
    ]


def _longest(results: Sequence[CaseResult], *, exact: bool = False) -> list[str]:
    """Return the longest times that hosting was there, of each kind, and who ended it."""
    by_kind = {
        "Longest on the meter": {
            result.case: result.throughput_minutes for result in results if result.purchases
        },
        "Longest that a deployment of a failed or stopped run was there": {
            result.case: result.deployment_minutes
            for result in results
            if result.deployment_minutes
        },
    }
    lines = []
    for title, minutes in by_kind.items():
        for time_decides, who in ((False, ""), (True, ", where only its release-by ends it")):
            found = {case: m for case, m in minutes.items() if case.time_decides == time_decides}
            if found:
                lines.append(f"{title}{who}: {_figure(found, exact=exact)}")
    return lines


def _figure(minutes: dict[Case, float], *, exact: bool) -> str:
    if not exact:
        steps = {case: math.ceil(each / _STEP_MINUTES) for case, each in minutes.items()}
        minutes = {case: each * _STEP_MINUTES for case, each in steps.items()}
    case = max(minutes, key=lambda case: minutes[case])
    figure = f"{minutes[case]:.1f} min" if exact else f"at most {minutes[case]:g} min"
    price = f" ({_cost(minutes[case], case.setting)})" if case.throughputs else ""
    return f"{figure}{price}: {case.what}"


def _cost(minutes: float, setting: Setting) -> str:
    """Return what one unit of the environment's model costs for these minutes."""
    environment = load(setting.environment)
    prices = Calculator(PriceBook.load(environment.prices), environment.region)
    model = environment.defaults.model
    usd, usd_per_hour = (prices.hosting_usd(model, 1, m) for m in (minutes, 60))
    return f"${usd:.2f} at ${usd_per_hour:g} an hour"


_TITLES = {  # of the groups whose cases are calls
    "run": "Calls of the run",
    "decision": "Calls of asking and deciding",
    "guard": "Calls of the guard, after Stop execution",
    "reaper": "Calls of the reaper, after Stop execution and with the guard's event lost",
}
_OTHERS = "### Stops, changes, two at once, and what is kept"
_HEAD = """# Faults
Written by `make faults`, which deploys two environments into the offline AWS and injects one fault
per case: into `local`, whose runs are hosted by the hour, everything that can go wrong; into `dev`,
hosted on demand, what only such a run does, or does while it has a deployment. Both have a budget
for Amazon Comprehend, and a ceiling that both kinds of hosting fit under.

The guard gets its time on the simulated clock, and the reaper two passes. Then nothing of a failed
or stopped run may be left that bills or serves, no job may run, and nothing may have been bought,
deployed or started twice; the cause of a failed execution must name what happened. A deployment
that a run keeps after its success is there until its release-by, and gone two passes later. Where
the reaper sees too little, only the release-by ends what is left: such a case has the earliest one
that an input can give. Hosting takes {provisioning:g} minutes to be ready, training {training:g}
and more. All times are simulated, in steps of 10 minutes; the file changes only when an outcome
does.

Each cell is how the execution ended when this call of this function went wrong; *bought* and
*deployed*: its throughput or deployment was there by then, and was deleted. The first three kinds
last until the retries are used up; the others happen once, after the call has taken effect, and
for what spends also every time."""


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
    there = {", bought": result.purchases, ", deployed": result.deployments}
    hosted = "".join(how for how, found in there.items() if found)
    hosted = "" if "SUCCEEDED" in result.statuses else hosted
    return f"{'**BREACH** ' if result.breaches else ''}{result.outcome}{hosted}"


def _header(columns: Sequence[str]) -> list[str]:
    return [_line(columns), _line(["---"] * len(columns))]


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
