"""Access: aws:SecureTransport, IAM checks of our own services, the roles of state machines."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from typing import Any

from ministack import app as gateway
from ministack.core import iam_actions, iam_evaluator
from ministack.core.responses import get_account_id, get_region
from ministack.core.router import extract_access_key_id
from ministack.services import lambda_svc, tagging
from ministack.services import stepfunctions as sfn

from local.ministack.upstream import original

Scope = dict[str, Any]
Asgi = Callable[[Scope, Any, Any], Awaitable[None]]
_CHECKED_BY_US = ("bedrock", "bedrock-runtime", "comprehend", "service-quotas")
_machine_role: ContextVar[str | None] = ContextVar("machine_role", default=None)


def present_requests_as_tls(app: Asgi) -> Asgi:
    """Wrap the gateway so that aws:SecureTransport is true; loopback carries no TLS."""

    async def secure(scope: Scope, receive: Any, send: Any) -> None:
        await app({**scope, "scheme": "https"} if scope["type"] == "http" else scope, receive, send)

    return secure


def leave_bedrock_to_its_own_authorization() -> None:
    """Stock maps Bedrock's calls to wrong actions and to `*`; `gateway` checks them.

    Amazon Comprehend and Service Quotas, which stock does not have, are checked there too.
    """
    extract = original(iam_actions, "extract_iam_action")

    def extract_unless_bedrock(service: str, *args: Any, **kwargs: Any) -> str | None:
        return None if service in _CHECKED_BY_US else extract(service, *args, **kwargs)

    iam_actions.extract_iam_action = extract_unless_bedrock


def show_bedrock_tags_to_policies(tags_of: Callable[[str], dict[str, str] | None]) -> None:
    """Make aws:ResourceTag conditions work on Bedrock's resources."""
    stock = original(tagging, "resource_tags")

    def resource_tags(arn: str) -> dict[str, str] | None:
        return tags_of(arn) if arn.startswith("arn:aws:bedrock:") else stock(arn)

    tagging.resource_tags = resource_tags


def enforce_the_role_of_a_machine() -> None:
    """Under AUTH, let a state machine invoke only the functions that its role allows."""
    run, call = original(sfn, "_run_execution"), original(sfn, "_call_lambda")

    def run_as_role(execution_arn: str) -> None:
        execution = sfn._executions.get(execution_arn)
        machine = sfn._state_machines.get(execution["stateMachineArn"]) if execution else None
        _machine_role.set(machine.get("roleArn") if machine else None)
        run(execution_arn)

    def call_if_allowed(function: str, event: Any) -> Any:
        role = _machine_role.get()
        _, config, _ = lambda_svc._get_func_record_for_ref(function)
        arn = (config or {}).get("FunctionArn", function)
        if gateway.AUTH and role and not _role_allows(role, "lambda:InvokeFunction", arn):
            raise sfn._ExecutionError(
                "Lambda.AWSLambdaException",
                f"User: {role} is not authorized to perform: lambda:InvokeFunction on "
                f"resource: {arn}",
            )
        return call(function, event)

    sfn._run_execution = run_as_role
    sfn._call_lambda = call_if_allowed


def _role_allows(role: str, action: str, arn: str) -> bool:
    name, account = role.rsplit("/", 1)[-1], get_account_id()
    caller = f"arn:aws:sts::{account}:assumed-role/{name}/states"
    context = iam_evaluator.EvalContext(caller, "AssumedRole", account, action, arn, get_region())
    policies = iam_evaluator._gather_role_policies(name, account)
    return bool(iam_evaluator.evaluate(context, policies).decision == "Allow")


def denial(
    headers: Mapping[str, str], checks: list[tuple[str, str, dict[str, Any]]], service: str
) -> tuple[int, dict[str, str], bytes] | None:
    """Return AccessDenied unless the caller may do all of `checks`.

    A check is an action, a resource and its condition keys.
    """
    access_key = extract_access_key_id(headers, {}) or ""
    for action, resource, keys in checks:
        of = action.partition(":")[0] if action.startswith("kms:") else service  # a key's policy
        denied = iam_evaluator.enforce(
            access_key, action, of, get_region(), resource_arn=resource, service_context=keys
        )
        if denied:
            code = "AccessDeniedException"
            message = (
                f"{iam_evaluator.caller_arn()} is not authorized to perform: {action} on "
                f"resource: {resource} because no identity-based policy allows the {action} action"
            )
            answered = {"Content-Type": "application/json", "x-amzn-errortype": code}
            return 403, answered, json.dumps({"__type": code, "message": message}).encode()
    return None
