"""What the state machines have in common."""

from stacks.environment import Environment
from tests.stacks.resources import Stacks, both


def test_machines_are_standard_logged_and_traced(environment: Environment, stacks: Stacks) -> None:
    machines = both(stacks, "AWS::StepFunctions::StateMachine")
    assert len(machines) == 4
    for machine in machines:
        properties = machine["Properties"]
        assert properties.get("StateMachineType", "STANDARD") == "STANDARD"
        assert properties["LoggingConfiguration"]["Level"] == "ALL"
        assert properties["LoggingConfiguration"]["IncludeExecutionData"] is True
        traced = properties.get("TracingConfiguration", {}).get("Enabled", False)
        assert traced is environment.functions.tracing
