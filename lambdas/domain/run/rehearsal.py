"""Telling a rehearsal from a run that AWS has played."""

from __future__ import annotations

_NO_ACCOUNT = "000000000000"


def is_rehearsal(execution_arn: str) -> bool:
    """Whether the run took place offline: no AWS account has the number 000000000000."""
    return execution_arn.split(":")[4:5] == [_NO_ACCOUNT]
