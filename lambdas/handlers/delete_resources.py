"""*Delete resources*: deletes what the plan names, in its order; retried until all is gone."""

from __future__ import annotations

from lambdas.aws.inventory import Inventory
from lambdas.domain.errors import HostingBusy
from lambdas.domain.run.contracts import DeleteResourcesRequest, Deletions
from lambdas.domain.run.variables import EnvironmentVariables
from lambdas.runtime.step import logger, step, variables_of


def delete_resources(request: DeleteResourcesRequest) -> Deletions:
    """Try to delete each, even if others fail.

    Raises
    ------
    HostingBusy
        Only what AWS refuses for now is left; the machine asks again.
    """
    inventory = Inventory(variables_of(EnvironmentVariables).environment)
    # Listed again: the plan is some time old, and what is gone is not a failure.
    there = {each.arn: each for each in inventory.everything()}
    wanted = [item for item in request.plan.items if item.delete]
    errors: list[Exception] = []
    for item in wanted:
        resource = there.get(item.arn)
        if resource is None or resource.kept:
            continue
        try:
            inventory.end(resource)
        except Exception as error:  # noqa: BLE001  # raised again once all were tried
            logger.exception("not deleted", extra={"resource": item.name})
            errors.append(error)
    if errors:
        raise next((each for each in errors if not isinstance(each, HostingBusy)), errors[0])
    return Deletions(deleted=[item.name for item in wanted])


handler = step("Delete resources", DeleteResourcesRequest)(delete_resources)
