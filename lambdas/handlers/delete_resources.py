"""*Delete resources*: deletes what the plan names, in its order; retried until all is gone."""

from __future__ import annotations

from lambdas.aws.inventory import Inventory
from lambdas.domain.housekeeping import cleanup
from lambdas.domain.run.contracts import DeleteResourcesRequest, Deletions
from lambdas.domain.run.variables import EnvironmentVariables
from lambdas.runtime.step import SecondsLeft, timed_step, variables_of


def delete_resources(request: DeleteResourcesRequest, seconds_left: SecondsLeft) -> Deletions:
    environment = variables_of(EnvironmentVariables).environment
    return cleanup.delete(Inventory(environment), request.plan, environment, seconds_left)


handler = timed_step("Delete resources", DeleteResourcesRequest)(delete_resources)
