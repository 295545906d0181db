"""*Check throughput*: whether the throughput is in service."""

from __future__ import annotations

from lambdas.aws.throughputs import Throughputs
from lambdas.domain.hosting.throughput import hosting_of, not_found
from lambdas.domain.run.contracts import CheckThroughputRequest, Hosting
from lambdas.runtime.step import step


def check_throughput(request: CheckThroughputRequest) -> Hosting:
    bought = request.hosting
    throughput = Throughputs().find(bought.hosting_arn)
    if throughput is None:
        return not_found(bought, request.now)
    return hosting_of(throughput, request.run, request.now)


handler = step("Check throughput", CheckThroughputRequest)(check_throughput)
