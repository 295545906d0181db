"""The parts of ARNs, and what follows from them: rehearsals and console links."""

from __future__ import annotations

import pytest

from lambdas.domain.run.arns import Arn
from lambdas.domain.run.console import (
    bedrock_quotas_url,
    execution_url,
    object_url,
    state_machine_url,
)

MACHINE = "arn:aws:states:us-west-2:123456789012:stateMachine:bedrock-tuning-dev"


def test_an_arn_is_read_with_colons_in_its_resource() -> None:
    assert Arn.parse(MACHINE) == (
        "states", "us-west-2", "123456789012", "stateMachine:bedrock-tuning-dev",
    )  # fmt: skip


@pytest.mark.parametrize("text", ["", "arn", "arn:aws:states:us-west-2:1", "a:b:c:d:e:f"])
def test_what_is_not_an_arn_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not an ARN"):
        Arn.parse(text)


@pytest.mark.parametrize(("account", "rehearsal"), [("0" * 12, True), ("1" * 12, False)])
def test_only_a_rehearsal_has_the_account_of_zeros(account: str, *, rehearsal: bool) -> None:
    assert Arn.parse(f"arn:aws:states:us-west-2:{account}:execution:a:b").is_rehearsal is rehearsal


def test_links_lead_to_the_page_in_the_resources_region() -> None:
    states = "https://us-west-2.console.aws.amazon.com/states/home?region=us-west-2#/v2"
    assert state_machine_url(MACHINE) == f"{states}/statemachines/view/{MACHINE}"
    assert execution_url(MACHINE) == f"{states}/executions/details/{MACHINE}"
    assert object_url("eu-west-1", "bucket", "a b/c.html") == (
        "https://eu-west-1.console.aws.amazon.com/s3/object/bucket?region=eu-west-1&prefix=a%20b/c.html"
    )
    assert bedrock_quotas_url("us-east-1").endswith("/servicequotas/home/services/bedrock/quotas")
