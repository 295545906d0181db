"""*Buy throughput*: billing by the hour starts; one purchase per run, never a commitment."""

from __future__ import annotations

from lambdas.aws.artefacts import Artefacts
from lambdas.aws.billing import Billing
from lambdas.aws.throughputs import Throughputs
from lambdas.domain.cost.quote import HOSTING
from lambdas.domain.hosting.course import created, just_created, release_by
from lambdas.domain.hosting.terms import Hosted
from lambdas.domain.models.lookup import find_model
from lambdas.domain.run.contracts import Hosting, HostModelRequest
from lambdas.domain.run.tags import tags_of
from lambdas.runtime.step import step


def buy_throughput(request: HostModelRequest) -> Hosting:
    throughputs = Throughputs()
    throughput = throughputs.find(request.run.hosting_name) or _buy(throughputs, request)
    return created(request, throughput)


def _buy(throughputs: Throughputs, request: HostModelRequest) -> Hosted:
    run, now = request.run, request.now
    until = release_by(run, "provisioned", request.dataset.evaluation_examples, now)
    billing = Billing(Artefacts(run.bucket), run.prefix)
    with billing.creating(HOSTING, "CreateProvisionedModelThroughput", now):
        arn = throughputs.buy(
            run,
            model=request.model,
            model_name=find_model(run.settings.model).name,
            tags=tags_of(run, release_by=until),
        )
    return just_created(run, "provisioned", arn, now)


handler = step("Buy throughput", HostModelRequest)(buy_throughput)
