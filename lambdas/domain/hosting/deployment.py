"""Deployments on demand: nothing to pay while nobody asks, so there is no haste.

Times and limits are of 2026-11-28: a deployment took about 8 minutes to become active, AWS's
nova-forge-sdk says 30 to 45; the least limit known is the 4 requests a minute of Llama 3.3 70B.
"""

from __future__ import annotations

from lambdas.domain.hosting.answering import LONGEST_MINUTES, RELEASE_MINUTES
from lambdas.domain.hosting.terms import Terms
from lambdas.domain.run.console import bedrock_quotas_url

_WAIT_SECONDS = 30  # Bedrock tells nobody when it is ready
# Enough for 1,400 questions at that limit.
_MARGIN_MINUTES = 6 * 60
LONGEST_HOSTING_MINUTES = 240 + LONGEST_MINUTES + RELEASE_MINUTES + 168 * 60  # of any input

DEPLOYMENT = Terms(
    kind="on-demand",
    called="deployment",
    ready="Active",
    delete_call="DeleteCustomModelDeployment",
    delete_command="delete-custom-model-deployment --custom-model-deployment-identifier",
    bills_by_the_hour=False,
    margin_minutes=_MARGIN_MINUTES,
    minutes_afterwards=lambda settings: settings.keep_hours * 60,
    wait_seconds=lambda _: _WAIT_SECONDS,
)


def quota_advice(region: str) -> str:
    """Return how to make room for a deployment."""
    return (
        "Delete deployments that nobody needs (aws bedrock list-custom-model-deployments --region "
        f"{region}), or request more of them in the Service Quotas console "
        f"({bedrock_quotas_url(region)})"
    )
