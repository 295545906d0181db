"""IAM, KMS and EC2 for those who act in a role here: Bedrock, and state machines.

MiniStack evaluates policies for callers of its API, which these are not: the parts of its
evaluation are put together here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from ministack.core import iam_evaluator as evaluator
from ministack.core.responses import request_scope
from ministack.services import ec2, iam, kms, s3

from lambdas.domain.run.arns import OFFLINE_ACCOUNT
from local.bedrock import Location

_SERVICE = "bedrock.amazonaws.com"
_KEY_ID = re.compile(r"<KMSMasterKeyID>([^<]+)</KMSMasterKeyID>")


class Grants:
    """What roles may, and what there is of keys, subnets and security groups."""

    def assumes(self, role_arn: str, keys: Mapping[str, str]) -> bool:
        """Say whether the role's trust policy lets Bedrock in; a Deny in it wins."""
        with request_scope(_account(role_arn), ""):
            role = iam._roles.get(role_arn.rsplit("/", 1)[-1])  # no public way, here and below
        if role is None or role.get("Arn") != role_arn:
            return False
        context = _context(role_arn, "sts:AssumeRole", "*", keys)
        policy = {"Statement": _for_bedrock(role["AssumeRolePolicyDocument"])}
        return _allowed(evaluator.evaluate(context, [evaluator.parse_policy_document(policy)]))

    def allows(self, role_arn: str, action: str, resource: str, keys: Mapping[str, str]) -> bool:
        """Say whether the role may, by its policies and the bucket's or the key's."""
        context = _context(role_arn, action, resource, keys)
        service, account = action.partition(":")[0], _account(role_arn)
        name = role_arn.rsplit("/", 1)[-1]
        with request_scope(account, context.region):
            policies = evaluator._gather_role_policies(name, account)
            limits = evaluator._permissions_boundary(iam._roles, name, account)
            found = evaluator.evaluate(context, policies, *limits)
            if (of_resource := evaluator._resource_policy(service, resource)) is not None:
                found = evaluator.combine_resource_policy(
                    found, context, *of_resource, required=service == "kms", limits=tuple(limits)
                )
        return _allowed(found)

    def key_of(self, bucket: str) -> str | None:
        with request_scope(OFFLINE_ACCOUNT, ""):
            found = _KEY_ID.search(s3._bucket_encryption.get(bucket) or "")
        return found[1] if found else None

    def has_key(self, location: Location, key: str) -> bool:
        with request_scope(location.account, location.region):
            record = kms._resolve_key(key)
        return record is not None and record["KeyState"] == "Enabled"

    def serves(self, location: Location, key: str) -> bool:
        context = evaluator.EvalContext(
            principal_arn=_SERVICE,
            principal_type="AWSService",
            principal_account="",
            action="kms:Decrypt",
            resource_arn=key,
            region=location.region,
            service_context={
                "kms:encryptioncontextkeys": ["aws:bedrock:custom-model"],
                "aws:sourceaccount": location.account,
            },
        )
        with request_scope(location.account, location.region):
            policy, _ = evaluator._resource_policy("kms", key) or ("", "")
        statements = {"Statement": _for_bedrock(policy or "{}")}
        return _allowed(evaluator.evaluate(context, [evaluator.parse_policy_document(statements)]))

    def has_network(self, location: Location, name: str) -> bool:
        with request_scope(location.account, location.region):
            return name in ec2._subnets or name in ec2._security_groups


def _account(arn: str) -> str:
    return arn.split(":")[4]


def _context(role_arn: str, action: str, resource: str, keys: Mapping[str, str]) -> Any:
    account, name = _account(role_arn), role_arn.rsplit("/", 1)[-1]
    return evaluator.EvalContext(
        principal_arn=f"arn:aws:sts::{account}:assumed-role/{name}/bedrock",
        principal_type="AssumedRole",
        principal_account=account,
        action=action,
        resource_arn=resource,
        region=resource.split(":")[3] if resource.count(":") > 2 else "",  # noqa: PLR2004  # an ARN's third
        secure_transport=True,
        service_context={name.lower(): value for name, value in keys.items()},
    )


def _for_bedrock(document: str | Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the statements of a trust policy that name Bedrock or everybody."""
    policy = json.loads(document) if isinstance(document, str) else document
    statements = policy.get("Statement", [])
    named = [statements] if isinstance(statements, dict) else statements
    return [
        {**each, "Resource": "*"}
        for each in named
        if evaluator._service_principal_matches(each.get("Principal"), _SERVICE)
        or each.get("Principal") in ("*", {"AWS": "*"})
    ]


def _allowed(found: Any) -> bool:
    return bool(found.decision == "Allow")
