"""What one deployment on demand takes in a minute of simulated time.

A limit counts the requests and tokens of the last sixty seconds. As a request arrives it counts
with its input and with the most that it may be answered; once answered, with what it was (a field
report of 2026: maxTokens unset reserves the model's maximum). AWS documents neither the minute's
bounds nor the words for a deployment: they are those of base models.
"""

from __future__ import annotations

from local.bedrock.catalogue import DeploymentLimits
from local.bedrock.protocol import ServiceError
from local.bedrock.state import CustomModelDeployment, Region

_MINUTE_SECONDS = 60.0
_OF_OTHERS = DeploymentLimits(requests=2_000, tokens=4_000_000)  # a base that AWS does not deploy


def refuse_beyond(region: Region, deployment: CustomModelDeployment, tokens: int) -> None:
    """Refuse a request that may take so many tokens, where it is one too many in this minute.

    Raises
    ------
    ServiceError
        AWS's ThrottlingException.
    """
    limits = _limits(region, deployment)
    begun = region.clock.time() - _MINUTE_SECONDS
    deployment.answered = [each for each in deployment.answered if each[0] > begun]
    if len(deployment.answered) >= limits.requests:
        raise _throttled("requests")
    if sum(each for _, each in deployment.answered) + tokens > limits.tokens:
        raise _throttled("tokens")


def _limits(region: Region, deployment: CustomModelDeployment) -> DeploymentLimits:
    usual = deployment.custom.job.base.deployment_limits or _OF_OTHERS
    requests, tokens = region.scenario.requests_per_minute, region.scenario.tokens_per_minute
    return DeploymentLimits(
        requests=usual.requests if requests is None else requests,
        tokens=usual.tokens if tokens is None else tokens,
    )


def _throttled(what: str) -> ServiceError:
    message = f"Too many {what}, please wait before trying again."
    return ServiceError("ThrottlingException", message)


def note(region: Region, deployment: CustomModelDeployment, tokens: int) -> None:
    """Count an answered request against the next minute."""
    deployment.answered.append((region.clock.time(), tokens))
