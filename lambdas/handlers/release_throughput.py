"""*Release throughput*: billing by the hour stops; nothing to release is success."""

from __future__ import annotations

from lambdas.aws.throughputs import Throughputs
from lambdas.domain.hosting.throughput import release_of
from lambdas.domain.run.contracts import GiveBackRequest, Release
from lambdas.runtime.step import step


def release_throughput(request: GiveBackRequest) -> Release:
    return release_of(Throughputs().release(request.run.hosting_name), request.now)


handler = step("Release throughput", GiveBackRequest)(release_throughput)
