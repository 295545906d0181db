"""cdk-nag and cfn-lint over every environment."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aws_cdk import Validations
from cdk_nag import AwsSolutionsChecks
from cfnlint.api import lint

from stacks.application import new_app, populate
from stacks.environment import Environment
from stacks.nag_suppressions import suppressions

REPOSITORY = Path(__file__).parents[2]

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
    assert len(files) == 9
    done = subprocess.run(
        [Path(sys.executable).with_name("cfn-lint"), "--", *files],
        cwd=REPOSITORY,  # where .cfnlintrc.yaml is
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_definitions_pass_cfn_lint(machines: Mapping[str, dict[str, Any]]) -> None:
    """In a template the definition is joined of parts, which cfn-lint does not look into."""
    for name, definition in machines.items():
        machine = {
            "Type": "AWS::StepFunctions::StateMachine",
            "Properties": {
                "RoleArn": "arn:aws:iam::111111111111:role/any",
                "DefinitionString": json.dumps(definition)
                .replace("${", "arn:aws:x:::")
                .replace('}"', '"'),
            },
        }
        found = lint(json.dumps({"Resources": {"Machine": machine}}))
        assert [str(each) for each in found] == [], name
