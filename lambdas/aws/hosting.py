"""All kinds of hosting at once, for whoever must not care which one a run has."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime

from lambdas.aws.deployments import Deployments
from lambdas.aws.hosted_resources import HostedResources
from lambdas.aws.throughputs import Throughputs
from lambdas.domain.errors import to_raise
from lambdas.domain.hosting.course import release_of
from lambdas.domain.hosting.terms import Hosted
from lambdas.domain.models.model import HostingKind
from lambdas.domain.parallel import each_alone
from lambdas.domain.run.contracts import Hosting, Release
from lambdas.domain.run.names import PROJECT

_logger = logging.getLogger(PROJECT)
# What bills by the hour first.
_RESOURCES: Mapping[HostingKind, type[HostedResources]] = {
    "provisioned": Throughputs,
    "on-demand": Deployments,
}


def find(hosting: Hosting) -> Hosted | None:
    """Return the run's hosting as it is now, None if it is gone; raises as `HostedResources`."""
    return _RESOURCES[hosting.kind]().find(hosting.hosting_arn)


def release(name: str, now: datetime) -> Release:
    """Delete what a run owns under this name, each kind even if the other fails.

    Where throughput is deleted, an error about a deployment is only logged: a run has one of them,
    what costs nothing must not fail a release that is done, and the reaper looks for it.

    Raises
    ------
    HostingBusy
        AWS refuses for now; try again later.
    Throttled, ServiceUnavailable, AccessDenied
        Of several errors one that passes by itself.
    """
    answers = each_alone(
        lambda resources: resources().release(name), _RESOURCES.values(), may_begin=lambda: True
    )
    errors = [each for each in answers if isinstance(each, Exception)]
    deletions = [each for each in answers if not isinstance(each, Exception)]
    for error in errors:
        _logger.error("hosting may be left behind", exc_info=error)
    throughput, *_ = answers
    done = not isinstance(throughput, Exception) and throughput.found
    if errors and not done:
        raise to_raise(errors)
    return release_of(deletions, now)
