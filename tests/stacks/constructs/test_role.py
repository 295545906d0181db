"""A wildcard needs its reason where the permission is declared; any other fails the synth."""

import re
from pathlib import Path

import pytest
from aws_cdk import App, Aws, Stack, Validations
from aws_cdk import aws_iam as iam
from cdk_nag import AwsSolutionsChecks

from stacks.constructs.permission import IamArn, Permission
from stacks.constructs.role import make_role
from tests.stacks.findings import explained, findings

WILDCARD = f"arn:aws:states:us-east-1:{Aws.ACCOUNT_ID}:execution:a:*"


def synthesised(folder: Path, because: str) -> App:
    app = App(outdir=str(folder), analytics_reporting=False)
    make_role(
        Stack(app, "Stack"),
        "Role",
        description="any",
        assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
        policy="any",
        permissions=[Permission(["states:DescribeExecution"], [IamArn(WILDCARD, because)])],
    )
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    app.synth()
    return app


def test_a_wildcard_with_a_reason_passes(tmp_path: Path) -> None:
    app = synthesised(tmp_path, "its name is not known before")
    assert findings(tmp_path) == {*explained(app)}
    ((_, finding),) = explained(app)
    assert re.fullmatch(r"AwsSolutions-IAM5\[Resource::.*<AWS::AccountId>.*\*\]", finding)


def test_a_wildcard_without_a_reason_fails_the_synth(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"ValidationFailed: .*contains wildcard"):
        synthesised(tmp_path, "")
