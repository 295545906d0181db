"""AWS::Budgets::Budget, which stock CloudFormation does not know; its Budgets API keeps them.

Rules, read 2026-11-23: the CloudFormation user guide's aws-resource-budgets-budget.html and
aws-properties-budgets-budget-budgetdata.html; CreateBudget of the Budgets API reference.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ministack.services import budgets
from ministack.services.cloudformation import provisioners

from local.ministack.upstream import check_answer

_TYPE = "AWS::Budgets::Budget"
_MOST_NOTIFICATIONS = 5
_MOST_SUBSCRIBERS = {"SNS": 1, "EMAIL": 10}  # of one notification
Properties = dict[str, Any]


def create_budgets() -> None:
    """Create, update and delete budgets; what AWS would refuse fails the stack."""
    handlers = provisioners._RESOURCE_HANDLERS
    handlers[_TYPE] = {"create": _create, "update": _update, "delete": _delete}
    provisioners._STACK_TAG_PROPERTY[_TYPE] = ("ResourceTags", "list")
    # As on AWS, other notifications replace the budget, which fails if it keeps a name of its own.
    provisioners._REPLACING_PROPERTIES[_TYPE] = ("NotificationsWithSubscribers",)


def _create(logical_id: str, properties: Properties, stack: str) -> tuple[str, dict[str, Any]]:
    generated = provisioners._physical_name(stack, logical_id, max_len=100)
    name = str(properties.get("Budget", {}).get("BudgetName") or generated)
    request = {
        "Budget": _budget(name, properties),
        "NotificationsWithSubscribers": properties.get("NotificationsWithSubscribers", []),
        "ResourceTags": properties.get("ResourceTags", []),
    }
    check_answer(budgets._create_budget(request))
    return name, {}


def _update(
    physical_id: str, old: Properties, new: Properties, stack: str
) -> tuple[str, dict[str, Any]]:
    name = str(new.get("Budget", {}).get("BudgetName") or physical_id)
    if name != physical_id:
        created = _create(physical_id, new, stack)
        provisioners._delete_predecessor(_delete, physical_id, old)
        return created
    check_answer(budgets._update_budget({"NewBudget": _budget(name, new)}))
    tags = new.get("ResourceTags", [])
    budgets._tags[budgets._budget_arn(name)] = {tag["Key"]: tag["Value"] for tag in tags}
    return name, {}


def _delete(physical_id: str, _: Properties) -> None:
    budgets._delete_budget({"BudgetName": physical_id})  # not found is fine


def _budget(name: str, properties: Properties) -> dict[str, Any]:
    """Return the API's budget, in which amounts are text."""
    problems = [*_problems(properties)]
    if problems:
        raise ValueError(f"{_TYPE}: {'; '.join(problems)}")
    budget = {**properties["Budget"], "BudgetName": name}
    limit = budget["BudgetLimit"]
    return {**budget, "BudgetLimit": {**limit, "Amount": f"{float(limit['Amount']):g}"}}


def _problems(properties: Properties) -> Iterator[str]:
    yield from _limit_problems(properties.get("Budget", {}))
    filters = properties.get("Budget", {}).get("CostFilters", {})
    for key, values in filters.items():
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            yield f"CostFilters.{key} must be a list of strings"
        elif key == "TagKeyValue" and not all("$" in value for value in values):
            yield "CostFilters.TagKeyValue must be like user:key$value"
    notifications = properties.get("NotificationsWithSubscribers", [])
    if len(notifications) > _MOST_NOTIFICATIONS:
        yield f"a budget has at most {_MOST_NOTIFICATIONS} notifications"
    for notification in notifications:
        yield from _subscriber_problems(notification.get("Subscribers", []))


def _limit_problems(budget: dict[str, Any]) -> Iterator[str]:
    limit = budget.get("BudgetLimit", {})
    try:
        positive = float(limit["Amount"]) > 0
    except (KeyError, TypeError, ValueError):
        positive = False
    if not positive:
        yield "BudgetLimit.Amount must be a number above 0"
    if not limit.get("Unit"):
        yield "BudgetLimit.Unit is required"


def _subscriber_problems(subscribers: list[dict[str, Any]]) -> Iterator[str]:
    for kind, most in _MOST_SUBSCRIBERS.items():
        addresses = [one.get("Address", "") for one in subscribers if _kind(one) == kind]
        if len(addresses) > most:
            yield f"a notification has at most {most} {kind} subscriber(s)"
        mark = "arn:" if kind == "SNS" else "@"
        wrong = [address for address in addresses if mark not in address]
        yield from (f"{address} is not an {kind} address" for address in wrong)


def _kind(subscriber: dict[str, Any]) -> str:
    return str(subscriber.get("SubscriptionType"))
