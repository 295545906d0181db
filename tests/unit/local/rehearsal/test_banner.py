"""A rehearsal says what it plays, and what only an account of AWS can show."""

from __future__ import annotations

import pytest

from local.rehearsal.banner import banner
from stacks.environment import Environment, load

MAILED = {"notifications": load("dev").notifications.model_copy(update={"emails": ["a@b.example"]})}
BOUND = {"account": "123456789012", "permissions_boundary": "teams/edge"}


@pytest.mark.parametrize(
    ("environment", "said", "unsaid"),
    [
        (load("local"), ["environment local, as it would be in us-west-2"], ["the account is"]),
        (load("prod"), ["environment prod", "us-east-1", "CloudTrail"], ["boundary", "mails to"]),
        (
            load("dev").model_copy(update={**MAILED, **BOUND}),
            ["a@b.example", "the account is not 123456789012", "teams/edge"],
            ["CloudTrail"],
        ),
    ],
    ids=["local", "prod", "another"],
)
def test_the_banner(environment: Environment, said: list[str], unsaid: list[str]) -> None:
    text = banner(environment)
    assert text.startswith("REHEARSAL of ")
    assert [each for each in said if each not in text] == []
    assert [each for each in unsaid if each in text] == []
