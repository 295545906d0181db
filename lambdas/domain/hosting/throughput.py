"""Provisioned throughput, which bills by the hour, from purchase to release."""

from __future__ import annotations

from lambdas.domain.hosting.answering import LONGEST_MINUTES, RELEASE_MINUTES
from lambdas.domain.hosting.terms import Terms
from lambdas.domain.run.console import bedrock_quotas_url
from lambdas.domain.run.contracts import Run

EXPECTED_PROVISIONING_MINUTES = 20  # AWS's Haiku notebook says 20 to 30
SLOW_PROVISIONING_MINUTES = 30
# AWS deletes no throughput that is still being created, and does not say for how long that may be:
# four times the longest that its notebook names is assumed.
LONGEST_CREATION_MINUTES = 4 * SLOW_PROVISIONING_MINUTES
RELEASE_MARGIN_MINUTES = 60
# Of any input: its longest provisioning and hold, answers and release; no run hosts for longer.
LONGEST_HOSTING_MINUTES = 240 + 1440 + LONGEST_MINUTES + RELEASE_MINUTES
REAPER_PASS_MINUTES = 5  # the time-out of *Reap leftovers*
# Throughput that is ready before anyone notices bills for nothing: at $60 an hour, 15 s are $0.25,
# and a check costs less than $0.0001. So check often when it is due, and every 45 s otherwise.
_RELAXED_WAIT_SECONDS = 45
_TIGHT_WAIT_SECONDS = 15
_TIGHT_FROM_MINUTES = EXPECTED_PROVISIONING_MINUTES - 12
_TIGHT_UNTIL_MINUTES = EXPECTED_PROVISIONING_MINUTES + 20


def wait_seconds(age_minutes: float) -> int:
    """Return how long to wait before the next check of a throughput of this age."""
    due = _TIGHT_FROM_MINUTES <= age_minutes < _TIGHT_UNTIL_MINUTES
    return _TIGHT_WAIT_SECONDS if due else _RELAXED_WAIT_SECONDS


THROUGHPUT = Terms(
    kind="provisioned",
    called="provisioned throughput",
    ready="InService",
    delete_call="DeleteProvisionedModelThroughput",
    delete_command="delete-provisioned-model-throughput --provisioned-model-id",
    bills_by_the_hour=True,
    margin_minutes=RELEASE_MARGIN_MINUTES,
    minutes_afterwards=lambda settings: settings.hold_minutes,
    wait_seconds=wait_seconds,
)


def most_minutes(run: Run, questions: int) -> float:
    """Return how long the run's throughput can bill at most.

    Its release-by has passed, or AWS lets it go at last; the reaper has just looked, the next pass
    fails and is repeated until the one after it is due, which takes its time.
    """
    release_by = THROUGHPUT.minutes_until_release_by(run.settings, questions)
    until = max(release_by, LONGEST_CREATION_MINUTES)
    return until + 2 * run.reap_every_minutes + REAPER_PASS_MINUTES


def quota_advice(model_name: str, region: str) -> str:
    """Return which quotas a purchase needs and how to request them."""
    return (
        "Two quotas of Amazon Bedrock, both 0 in a new account, must allow it: L-BE77399C (Model "
        "units no-commitment Provisioned Throughputs across custom models) and Model units per "
        f"provisioned model for {model_name}. Request both in the Service Quotas console of "
        f"{region} ({bedrock_quotas_url(region)}) or with `aws service-quotas "
        "request-service-quota-increase --service-code bedrock --quota-code L-BE77399C "
        "--desired-value N`; approval can take days"
    )
