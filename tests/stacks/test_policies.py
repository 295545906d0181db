"""cdk-nag and cfn-lint over every environment."""

import contextlib
import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aws_cdk import Validations
from cdk_nag import AwsSolutionsChecks
from cfnlint.api import lint  # type: ignore[import-untyped]  # it has no annotations

from stacks.application import new_app, populate
from stacks.environment import Environment
from stacks.review.nag import suppressions
from tests.repository import ROOT as REPOSITORY

Stacks = Mapping[str, dict[str, Any]]


def findings(environment: Environment, folder: Path) -> set[tuple[str, str]]:
    """Return all that cdk-nag finds when nothing is suppressed, as path and finding."""
    app = new_app(folder)
    populate(app, environment, checked=False)
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    with contextlib.suppress(RuntimeError):  # a synth with findings fails; the report tells which
        app.synth()
    report = json.loads((folder / "validation-report.json").read_text(encoding="utf-8"))
    return {
        (construct["constructPath"], violation["ruleName"])
        for plugin in report["pluginReports"]
        for violation in plugin["violations"]
        for construct in violation["violatingConstructs"]
    }


def test_suppressions_are_exactly_what_is_found(environment: Environment, tmp_path: Path) -> None:
    found = findings(environment, tmp_path)
    suppressed = {(each.path, each.finding) for each in suppressions(environment)}
    assert found - suppressed == set(), "findings without a reason"
    assert suppressed - found == set(), "suppressions that are no longer needed"


def test_every_suppression_has_a_reason(environment: Environment) -> None:
    assert all(len(each.reason) > 20 for each in suppressions(environment))


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
