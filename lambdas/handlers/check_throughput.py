"""*Check throughput*: whether the throughput is in service."""

from __future__ import annotations

from lambdas.aws.throughputs import Throughputs
from lambdas.domain.hosting.course import looked_at
from lambdas.domain.run.contracts import CheckHostingRequest, Hosting
from lambdas.runtime.step import step


def check_throughput(request: CheckHostingRequest) -> Hosting:
    hosting = request.hosting
    return looked_at(hosting, Throughputs().find(hosting.hosting_arn), request.run, request.now)


handler = step("Check throughput", CheckHostingRequest)(check_throughput)
