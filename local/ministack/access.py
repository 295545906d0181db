"""Access: IAM checks of our own services."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from ministack.core import iam_actions, iam_evaluator
from ministack.core.responses import get_region
from ministack.core.router import extract_access_key_id
from ministack.services import tagging

_CHECKED_BY_US = ("bedrock", "bedrock-runtime", "comprehend", "service-quotas")


def leave_bedrock_to_its_own_authorization() -> None:
    """Stock maps Bedrock's calls to wrong actions and to `*`; `gateway` checks them.

    Amazon Comprehend and Service Quotas, which stock does not have, are checked there too.
    """
    extract = iam_actions.extract_iam_action

    def extract_unless_bedrock(service: str, *args: Any, **kwargs: Any) -> str | None:
        return None if service in _CHECKED_BY_US else extract(service, *args, **kwargs)

    iam_actions.extract_iam_action = extract_unless_bedrock


def show_bedrock_tags_to_policies(tags_of: Callable[[str], dict[str, str] | None]) -> None:
    """Make aws:ResourceTag conditions work on Bedrock's resources."""
    stock = tagging.resource_tags

    def resource_tags(arn: str) -> dict[str, str] | None:
        return tags_of(arn) if arn.startswith("arn:aws:bedrock:") else stock(arn)

    tagging.resource_tags = resource_tags


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
