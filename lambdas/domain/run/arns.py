"""The parts of an ARN."""

from __future__ import annotations

from typing import NamedTuple, Self

_PARTS = 6
OFFLINE_ACCOUNT = "000000000000"  # of rehearsals: no AWS account has this number


class Arn(NamedTuple):
    """arn:partition:service:region:account:resource."""

    service: str
    region: str
    account: str
    resource: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse an ARN, or raise ValueError."""
        parts = text.split(":", _PARTS - 1)
        if len(parts) != _PARTS or parts[0] != "arn":
            raise ValueError(f"{text!r} is not an ARN")
        return cls(*parts[2:])

    @property
    def is_rehearsal(self) -> bool:
        """Whether it was made offline, not on AWS."""
        return self.account == OFFLINE_ACCOUNT
