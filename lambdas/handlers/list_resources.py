"""*List resources*: everything that the environment has on Bedrock, and what to delete."""

from __future__ import annotations

from lambdas.aws.executions import Executions
from lambdas.aws.inventory import Inventory
from lambdas.domain.housekeeping import cleanup
from lambdas.domain.housekeeping.executions_under_way import ExecutionsUnderWay
from lambdas.domain.housekeeping.survey import Problem, look
from lambdas.domain.run.contracts import CleanupPlan, ListResourcesRequest
from lambdas.domain.run.execution_input import parse_input
from lambdas.domain.run.variables import ListResourcesVariables
from lambdas.runtime.pricing import calculator
from lambdas.runtime.step import SecondsLeft, timed_step, variables_of


def list_resources(request: ListResourcesRequest, seconds_left: SecondsLeft) -> CleanupPlan:
    asked = parse_input(cleanup.CleanupInput, request.input, "clean-up")
    variables = variables_of(ListResourcesVariables)
    environment = variables.environment
    inventory = Inventory(environment)
    survey = look(inventory, environment, seconds_left=seconds_left)
    under_way = None
    try:
        executions = Executions()
        running = executions.running(variables.machine_arn)
        inputs = (started.input for arn in running if (started := executions.find(arn)))
        under_way = ExecutionsUnderWay.of(environment, running, inputs)
    except Exception as error:  # noqa: BLE001  # what is overdue can go all the same
        survey.problems.append(Problem("executions under way", error))
    prices = calculator(variables, inventory.region)
    return cleanup.plan(asked, survey, under_way, request.now, prices)


handler = timed_step("List resources", ListResourcesRequest)(list_resources)
