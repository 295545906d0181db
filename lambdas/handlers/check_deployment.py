"""*Check deployment*: whether the deployment is active."""

from __future__ import annotations

from lambdas.aws.deployments import Deployments
from lambdas.domain.hosting.course import looked_at
from lambdas.domain.run.contracts import CheckHostingRequest, Hosting
from lambdas.runtime.step import step


def check_deployment(request: CheckHostingRequest) -> Hosting:
    hosting = request.hosting
    return looked_at(hosting, Deployments().find(hosting.hosting_arn), request.run, request.now)


handler = step("Check deployment", CheckHostingRequest)(check_deployment)
