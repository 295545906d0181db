"""What MiniStack 1.5.33 lacks or does otherwise than AWS, as far as this project meets it.

One module a theme; each patch is a function with a name that says what it mends, asserts that
what it replaces is still there, and has a contract test in `tests/workflow/test_patches.py`.
MiniStack's names are private: it is pinned, and `apply` fails loudly where one has moved.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from local.clock import SimulatedClock

if TYPE_CHECKING:
    from local.ministack.invocations import Invocations

MINISTACK_VERSION = "1.5.33"


class PatchOutdated(RuntimeError):
    """MiniStack no longer has what a patch mends."""


def original(module: Any, name: str) -> Any:
    """Return `module.name`, or say which patch to look at."""
    try:
        return getattr(module, name)
    except AttributeError:
        raise PatchOutdated(
            f"{module.__name__}.{name} is gone: the patches fit ministack {MINISTACK_VERSION}, "
            "see local/ministack"
        ) from None


def apply(
    clock: SimulatedClock, bedrock_tags: Callable[[str], dict[str, str] | None]
) -> Invocations:
    """Apply every patch once to the MiniStack of this process."""
    installed = version("ministack")
    if installed != MINISTACK_VERSION:
        raise PatchOutdated(
            f"ministack {installed} is installed, the patches fit {MINISTACK_VERSION}"
        )
    from local.ministack import (  # noqa: PLC0415  # they import MiniStack, which reads the environment
        access,
        budgets,
        cloudformation,
        invocations,
        lambda_runtime,
        maps,
        schedules,
        state_machines,
        tasks,
    )

    lambda_runtime.name_the_error_class()
    lambda_runtime.unpack_a_layer_once()
    access.enforce_the_role_of_a_machine()
    access.leave_bedrock_to_its_own_authorization()
    access.show_bedrock_tags_to_policies(bedrock_tags)
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
    schedules.ring_schedules_on_the_clock(clock)
    schedules.date_messages_by_the_clock(clock)
    cloudformation.empty_buckets_without_a_function()
    cloudformation.create_composite_alarms()
    cloudformation.keep_alarms_on_metric_math()
    budgets.create_budgets()
    cloudformation.date_the_rules_of_a_stack()
    return invocations.Invocations(clock)
