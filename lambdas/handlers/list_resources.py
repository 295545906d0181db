"""*List resources*: everything that the environment has on Bedrock, and what to delete."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from lambdas.aws.executions import Executions
from lambdas.aws.inventory import Inventory
from lambdas.domain.housekeeping import cleanup
from lambdas.domain.housekeeping.tagged_resources import TaggedResource
from lambdas.domain.run.contracts import CleanupPlan, ListResourcesRequest
from lambdas.domain.run.execution_input import parse_input
from lambdas.domain.run.variables import ListResourcesVariables
from lambdas.runtime.pricing import calculator
from lambdas.runtime.step import step, variables_of


def list_resources(request: ListResourcesRequest) -> CleanupPlan:
    asked = parse_input(cleanup.CleanupInput, request.input, "clean-up")
    variables = variables_of(ListResourcesVariables)
    inventory = Inventory(variables.environment)
    found = inventory.everything()
    prices = calculator(variables, inventory.region)
    return cleanup.plan(asked, found, _statuses(found), request.now, prices)


def _statuses(found: Iterable[TaggedResource]) -> Mapping[str, str]:
    executions = Executions()
    arns = {each.execution_arn for each in found if each.execution_arn}
    return {arn: executions.status(arn) for arn in sorted(arns)}


handler = step("List resources", ListResourcesRequest)(list_resources)
