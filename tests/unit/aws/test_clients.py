"""How long a call that hangs may take: it must leave its function the time for the rest."""

from __future__ import annotations

import pytest

from lambdas.aws.clients import client
from lambdas.domain.housekeeping.survey import END_SECONDS, READ_SECONDS
from stacks.guards.steps import GUARD_STEPS


def hanging_seconds(service: str) -> float:
    config = client(service).meta.config
    tries: int = config.retries["total_max_attempts"]
    return tries * float(config.read_timeout)


@pytest.mark.parametrize("service", ["bedrock", "sns", "stepfunctions"])
def test_a_call_that_hangs_costs_less_than_a_minute(service: str) -> None:
    assert hanging_seconds(service) < 60


def test_what_is_begun_last_and_the_mail_may_both_hang() -> None:
    assert hanging_seconds("bedrock") + hanging_seconds("sns") < END_SECONDS < READ_SECONDS


def test_a_hanging_list_leaves_time_to_read_and_to_end() -> None:
    seconds = {step.name: step.timeout_seconds for step in GUARD_STEPS}
    for name in ("Reap leftovers", "List resources", "Delete resources"):
        assert hanging_seconds("bedrock") + READ_SECONDS < seconds[name]
    assert 3 * hanging_seconds("bedrock") < seconds["Stop run"]
