"""Looking for what may not exist, where Bedrock may call an unknown name invalid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lambdas.aws.clients import get, translated
from lambdas.domain.errors import RequestRefused


@dataclass(frozen=True)
class NamedResources:
    """One kind of resource: the calls that describe and list it, and their members."""

    kind: str
    describe: str
    identifier: str
    list_all: str
    summaries: str
    name: str
    arn: str

    def find(self, bedrock: Any, name_or_arn: str) -> Any:  # noqa: ANN401  # boto3's own
        """Return the description, or None if there is none of that name; errors: `translated`."""
        try:
            return self._described(bedrock, name_or_arn)
        except RequestRefused:
            # Which error an unknown name gets is not documented; the list knows what there is.
            arn = self.listed(bedrock, name_or_arn)
            return arn and self._described(bedrock, arn)

    def listed(self, bedrock: Any, name_or_arn: str) -> str | None:  # noqa: ANN401  # boto3's own
        """Return the ARN under which the list has it, or None."""
        is_arn = name_or_arn.startswith("arn:")
        filters = {} if is_arn else {"nameContains": name_or_arn}
        with translated(f"list every {self.kind}"):
            for page in bedrock.get_paginator(self.list_all).paginate(**filters):
                for each in page[self.summaries]:
                    if name_or_arn in {each[self.name], each[self.arn]}:
                        return str(each[self.arn])
        return None

    def _described(self, bedrock: Any, name_or_arn: str) -> Any:  # noqa: ANN401  # boto3's own
        call = getattr(bedrock, self.describe)
        return get(f"look for {self.kind} {name_or_arn}", call, **{self.identifier: name_or_arn})
