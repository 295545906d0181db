"""What the state machines have in common."""

from collections.abc import Mapping
from typing import Any

from stacks.environment import Environment
from tests.stacks.asl import Graph
from tests.stacks.resources import Stacks, both


def test_machines_are_standard_logged_and_traced(environment: Environment, stacks: Stacks) -> None:
    machines = both(stacks, "AWS::StepFunctions::StateMachine")
    assert len(machines) == 4
    for machine in machines:
        properties = machine["Properties"]
        assert properties.get("StateMachineType", "STANDARD") == "STANDARD"
        assert properties["LoggingConfiguration"]["Level"] == "ALL"
        assert properties["LoggingConfiguration"]["IncludeExecutionData"] is False
        traced = properties.get("TracingConfiguration", {}).get("Enabled", False)
        assert traced is environment.functions.tracing


def test_each_task_calls_a_version_that_stays_when_the_next_is_deployed(
    stacks: Stacks, machines: Mapping[str, dict[str, Any]], functions: Mapping[str, dict[str, Any]]
) -> None:
    """A run under way keeps the code and the variables with which it began."""
    called = {
        task.state["Arguments"]["FunctionName"].strip("${}")
        for machine in machines.values()
        for task in Graph(machine).tasks()
    }
    assert called == {*functions}
    for version in both(stacks, "AWS::Lambda::Version"):
        # A version that its own deployment rolls back goes: the next attempt publishes its equal.
        assert version["DeletionPolicy"] == "RetainExceptOnCreate"
        assert version["UpdateReplacePolicy"] == "Retain"
