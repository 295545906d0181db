"""*Check throughput*: whether the capacity is in service."""

from __future__ import annotations

from lambdas.aws.throughputs import Throughputs
from lambdas.domain.errors import ThroughputFailed
from lambdas.domain.hosting.throughput import throughput_of
from lambdas.domain.run.contracts import CheckThroughputRequest, Throughput
from lambdas.runtime.step import step


def check_throughput(request: CheckThroughputRequest) -> Throughput:
    bought = request.throughput
    capacity = Throughputs().find(bought.throughput_arn)
    if capacity is None:
        raise ThroughputFailed(
            f"provisioned throughput {bought.name} is gone: somebody deleted it (CloudTrail names "
            "the caller of DeleteProvisionedModelThroughput). Start a new execution"
        )
    return throughput_of(capacity, request.run, request.now)


handler = step("Check throughput", CheckThroughputRequest)(check_throughput)
