"""The rules that start the guard, the reaper and the purchase watch."""

import json
import re
from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import BaseModel

from lambdas.domain.hosting.throughput import REAPER_PASS_MINUTES
from lambdas.domain.run.contracts import InspectPurchaseRequest, ReapLeftoversRequest
from stacks.environment import Environment
from stacks.guards.steps import REAP_LEFTOVERS
from tests.stacks.resources import Stacks, named, of_type, plain


def rules(stacks: Stacks, environment: Environment) -> dict[str, dict[str, Any]]:
    """Return the rules' properties by what stands behind the environment in their names."""
    prefix = f"bedrock-tuning-{environment.name}-"
    assert not of_type(stacks["pipeline"], "AWS::Events::Rule")
    return {
        name.removeprefix(prefix): each for name, each in named(stacks, "AWS::Events::Rule").items()
    }


def test_the_guard_watches_this_machine_and_misses_no_event(
    environment: Environment, stacks: Stacks
) -> None:
    rule = rules(stacks, environment)["abnormal-end"]
    detail = rule["EventPattern"]["detail"]
    assert detail["status"] == ["ABORTED", "FAILED", "TIMED_OUT"]
    (watched,) = detail["stateMachineArn"]
    assert plain(watched).endswith(f":<account>:stateMachine:bedrock-tuning-{environment.name}")
    (target,) = rule["Targets"]
    assert target["Arn"]["Ref"].startswith("GuardMachine")
    assert target["DeadLetterConfig"]["Arn"]["Fn::GetAtt"][0].startswith("GuardUndelivered")


def test_a_pass_of_the_reaper_takes_no_longer_than_is_quoted() -> None:
    assert REAP_LEFTOVERS.timeout_seconds <= 60 * REAPER_PASS_MINUTES


def test_the_reaper_comes_on_time_and_is_told_it(environment: Environment, stacks: Stacks) -> None:
    rule = rules(stacks, environment)["reaper"]
    minutes = environment.spending.reap_every_minutes
    assert rule["ScheduleExpression"] == f"rate({minutes} minutes)"
    assert rule["State"] == "ENABLED"
    (target,) = rule["Targets"]
    assert target["Arn"]["Fn::GetAtt"][0].startswith("FunctionsReapLeftovers")
    assert sent(target) == {"now": "$.time"}


def test_purchases_are_watched_where_the_environment_says(
    environment: Environment, stacks: Stacks
) -> None:
    watched = environment.spending.watch_purchases
    assert ("purchases" in rules(stacks, environment)) is watched
    functions = named(stacks, "AWS::Lambda::Function")
    assert (f"bedrock-tuning-{environment.name}-inspect-purchase" in functions) is watched


def test_every_purchase_in_the_account_is_watched(
    environments: Mapping[str, Environment], templates: Mapping[str, Stacks]
) -> None:
    rule = rules(templates["prod"], environments["prod"])["purchases"]
    assert rule["EventPattern"] == {
        "source": ["aws.bedrock"],
        "detail-type": ["AWS API Call via CloudTrail"],
        "detail": {
            "eventSource": ["bedrock.amazonaws.com"],
            "eventName": ["CreateProvisionedModelThroughput"],
        },
    }
    (target,) = rule["Targets"]
    assert sent(target) == {"detail": "$.detail", "account": "$.account", "region": "$.region"}


@pytest.mark.parametrize(
    ("rule", "request_class"),
    [("reaper", ReapLeftoversRequest), ("purchases", InspectPurchaseRequest)],
)
def test_rules_send_what_the_functions_parse(
    environments: Mapping[str, Environment],
    templates: Mapping[str, Stacks],
    rule: str,
    request_class: type[BaseModel],
) -> None:
    (target,) = rules(templates["prod"], environments["prod"])[rule]["Targets"]
    assert {*sent(target)} == {*request_class.model_fields}


def sent(target: Mapping[str, Any]) -> dict[str, str]:
    """Return a target's event: field by field, where in the original it is from."""
    made = target["InputTransformer"]
    template = re.sub(r"<([^>]*)>", r'"\1"', made["InputTemplate"])
    return {field: made["InputPathsMap"][key] for field, key in json.loads(template).items()}
