"""Log groups, kept as long as the environment says, and under its key."""

from __future__ import annotations

from aws_cdk import aws_logs as logs
from constructs import Construct

from stacks.constructs.access import Access
from stacks.constructs.key import environment_key
from stacks.constructs.removal import kept_or_not

_RETENTION = {
    1: logs.RetentionDays.ONE_DAY,
    3: logs.RetentionDays.THREE_DAYS,
    5: logs.RetentionDays.FIVE_DAYS,
    7: logs.RetentionDays.ONE_WEEK,
    14: logs.RetentionDays.TWO_WEEKS,
    30: logs.RetentionDays.ONE_MONTH,
    60: logs.RetentionDays.TWO_MONTHS,
    90: logs.RetentionDays.THREE_MONTHS,
    180: logs.RetentionDays.SIX_MONTHS,
    365: logs.RetentionDays.ONE_YEAR,
    731: logs.RetentionDays.TWO_YEARS,
    3653: logs.RetentionDays.TEN_YEARS,
}


def make_log_group(
    scope: Construct, construct_id: str, *, access: Access, name: str
) -> logs.LogGroup:
    return logs.LogGroup(
        scope,
        construct_id,
        log_group_name=name,
        retention=_RETENTION[access.environment.functions.log_retention_days],
        encryption_key=environment_key(scope, access),
        removal_policy=kept_or_not(access.environment),
    )
