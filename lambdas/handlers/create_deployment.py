"""*Create deployment*: the tuned model on demand; one a run, and free until it is asked."""

from __future__ import annotations

from lambdas.aws.deployments import Deployments
from lambdas.domain.hosting.course import created, just_created, release_by
from lambdas.domain.hosting.terms import Hosted
from lambdas.domain.run.contracts import Hosting, HostModelRequest
from lambdas.domain.run.tags import tags_of
from lambdas.runtime.step import step


def create_deployment(request: HostModelRequest) -> Hosting:
    deployments = Deployments()
    deployment = deployments.find(request.run.hosting_name) or _create(deployments, request)
    return created(request, deployment)


def _create(deployments: Deployments, request: HostModelRequest) -> Hosted:
    run, now = request.run, request.now
    until = release_by(run, "on-demand", request.dataset.evaluation_examples, now)
    tags = tags_of(run, release_by=until)
    arn = deployments.create(run, model=request.model, tags=tags)
    return just_created(run, "on-demand", arn, now)


handler = step("Create deployment", HostModelRequest)(create_deployment)
