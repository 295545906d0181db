"""cdk-nag and cfn-lint over every environment."""

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cfnlint.api import lint  # type: ignore[import-untyped]  # it has no annotations

from stacks.application import new_app, populate
from stacks.environment import Environment
from tests.repository import ROOT as REPOSITORY
from tests.stacks.findings import explained, findings

Stacks = Mapping[str, dict[str, Any]]


def test_every_finding_is_explained_and_every_reason_needed(
    environment: Environment, tmp_path: Path
) -> None:
    app = new_app(tmp_path)
    populate(app, environment)
    app.synth()  # fails on a finding that is not explained
    reasons = explained(app)
    assert findings(tmp_path) == {*reasons}
    assert all(len(reason) > 20 for reason in reasons.values())


def test_templates_pass_cfn_lint(assemblies: Path, templates: Mapping[str, Stacks]) -> None:
    folders = [assemblies / name for name in templates]
    files = [str(path) for folder in folders for path in folder.glob("*.template.json")]
    assert len(files) == 12  # three environments of four stacks
    done = subprocess.run(
        [Path(sys.executable).with_name("cfn-lint"), "--", *files],
        cwd=REPOSITORY,  # where .cfnlintrc.yaml is
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


# The one field that holds an expression where cfn-lint's schema knows a number only. AWS takes one
# that evaluates to a positive integer (read 2026-11-23):
# https://docs.aws.amazon.com/cdk/api/v2/docs/aws-cdk-lib.aws_stepfunctions.Timeout.html
EXPRESSION = re.compile(
    r"\[E3601: .*\('\{% .* %\}' is not of type 'number' at 'States/Approve spend/TimeoutSeconds'\)"
)


def test_definitions_pass_cfn_lint(machines: Mapping[str, dict[str, Any]]) -> None:
    """In a template the definition is joined of parts, which cfn-lint does not look into."""
    assert {*machines} == {"workflow", "decide-spend", "guard", "cleanup"}
    for name, definition in machines.items():
        machine = {
            "Type": "AWS::StepFunctions::StateMachine",
            "Properties": {
                "RoleArn": "arn:aws:iam::111111111111:role/any",
                "DefinitionString": re.sub(
                    r"\$\{(\w+)\}", r"arn:aws:x:::\1", json.dumps(definition)
                ),
            },
        }
        found = [str(each) for each in lint(json.dumps({"Resources": {"Machine": machine}}))]
        assert [each for each in found if not EXPRESSION.match(each)] == [], name
