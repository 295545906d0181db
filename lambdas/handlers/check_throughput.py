"""*Check throughput*: whether the throughput is in service."""

from __future__ import annotations

from lambdas.aws.throughputs import Throughputs
from lambdas.domain.errors import HostingFailed
from lambdas.domain.hosting.throughput import hosting_of
from lambdas.domain.run.contracts import CheckThroughputRequest, Hosting
from lambdas.runtime.step import step


def check_throughput(request: CheckThroughputRequest) -> Hosting:
    bought = request.hosting
    throughput = Throughputs().find(bought.hosting_arn)
    if throughput is None:
        raise HostingFailed(
            f"provisioned throughput {bought.name} is gone: somebody deleted it (CloudTrail names "
            "the caller of DeleteProvisionedModelThroughput). Start a new execution"
        )
    return hosting_of(throughput, request.run, request.now)


handler = step("Check throughput", CheckThroughputRequest)(check_throughput)
