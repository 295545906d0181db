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
    lambda_runtime,
    maps,
    schedules,
    state_machines,
    tasks,
)
from local.ministack.invocations import Invocations
from local.ministack.upstream import check_version


def apply(
    clock: SimulatedClock, bedrock_tags: Callable[[str], dict[str, str] | None]
) -> Invocations:
    """Apply every patch; the order matters where two wrap the same function."""
    check_version()
    lambda_runtime.name_the_error_class()
    lambda_runtime.unpack_a_layer_once()
    access.enforce_the_role_of_a_machine()
    access.leave_bedrock_to_its_own_authorization()
    access.show_bedrock_tags_to_policies(bedrock_tags)
    _patch_step_functions(clock)
    schedules.ring_schedules_on_the_clock(clock)
    schedules.date_messages_by_the_clock(clock)
    cloudformation.empty_buckets_without_a_function()
    cloudformation.create_composite_alarms()
    cloudformation.keep_alarms_on_metric_math()
    budgets.create_budgets()
    copies.make_the_checksum_that_a_copy_asks_for()
    cloudformation.date_the_rules_of_a_stack()
    return Invocations(clock)


def _patch_step_functions(clock: SimulatedClock) -> None:
    state_machines.give_expressions_time()
    state_machines.evaluate_the_output_of_succeed()
    state_machines.let_an_ended_execution_rest()
    state_machines.time_out_the_machine(clock)
    state_machines.run_branches_in_their_own_scope(clock)
    state_machines.delete_a_machine_once_nothing_runs()
    state_machines.keep_simulated_time(clock)
    state_machines.start_an_execution_once()
    maps.run_maps_on_the_clock(clock)
    tasks.limit_tasks_in_simulated_time(clock)
    tasks.wait_between_tries_as_long_as_it_says()
    tasks.give_each_attempt_a_token()
    tasks.wait_for_decisions(clock)
