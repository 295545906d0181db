"""All patches, applied once to the MiniStack of this process.

Each one is a function named after what it changes; it checks that what it replaces is still there,
and has a contract test in `tests/workflow/ministack/`.
"""

from __future__ import annotations

from collections.abc import Callable

from local.clock import SimulatedClock
from local.ministack import (
    access,
    budgets,
    cloudformation,
    copies,
    functions,
    schedules,
    state_machines,
)
from local.ministack.upstream import check_version
from local.states.expressions import Expressions
from local.states.service import StepFunctions


def apply(
    clock: SimulatedClock,
    own_processes: functions.OwnProcesses,
    expressions: Expressions,
    bedrock_tags: Callable[[str], dict[str, str] | None],
) -> StepFunctions:
    """Apply every patch; the order matters where two wrap the same function."""
    check_version()
    own_processes.replace_workers()
    functions.invoke_targets_on_the_clock(clock)
    access.leave_bedrock_to_its_own_authorization()
    access.show_bedrock_tags_to_policies(bedrock_tags)
    schedules.ring_schedules_on_the_clock(clock)
    schedules.date_messages_by_the_clock(clock)
    cloudformation.empty_buckets_without_a_function()
    cloudformation.create_composite_alarms()
    cloudformation.keep_alarms_on_metric_math()
    budgets.create_budgets()
    copies.make_the_checksum_that_a_copy_asks_for()
    cloudformation.date_the_rules_of_a_stack()
    state_machines.check_definitions(expressions)
    return state_machines.run_executions(clock, expressions)
