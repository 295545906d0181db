"""*Buy throughput*: billing by the hour starts; one purchase per run, never a commitment."""

from __future__ import annotations

from datetime import datetime

from lambdas.aws.artefacts import Artefacts
from lambdas.aws.billing import Billing
from lambdas.aws.throughputs import Throughputs
from lambdas.domain.cost.quote import HOSTING
from lambdas.domain.hosting.throughput import ProvisionedThroughput, hosting_of, release_by
from lambdas.domain.models.lookup import find_model
from lambdas.domain.run.contracts import BuyThroughputRequest, Hosting
from lambdas.domain.run.tags import tags_of
from lambdas.runtime.step import step


def buy_throughput(request: BuyThroughputRequest) -> Hosting:
    throughputs = Throughputs()
    throughput = throughputs.find(request.run.hosting_name) or _buy(throughputs, request)
    return hosting_of(throughput, request.run, request.now)


def _buy(throughputs: Throughputs, request: BuyThroughputRequest) -> ProvisionedThroughput:
    run, now = request.run, request.now
    billing = Billing(Artefacts(run.bucket), run.prefix)
    with billing.creating(HOSTING, "CreateProvisionedModelThroughput", now):
        arn = throughputs.buy(
            run,
            model_arn=request.training.custom_model_arn or run.custom_model_name,
            model_name=find_model(run.settings.model).name,
            tags=tags_of(run, release_by=release_by(run, now)),
        )
    return _new(arn, run.hosting_name, now)


def _new(arn: str, name: str, now: datetime) -> ProvisionedThroughput:
    # Not read back: a purchase that is seconds old may not be found yet.
    return ProvisionedThroughput(arn=arn, name=name, status="Creating", created_at=now)


handler = step("Buy throughput", BuyThroughputRequest)(buy_throughput)
