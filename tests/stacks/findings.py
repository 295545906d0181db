"""What cdk-nag finds in an environment's stacks, and what their constructs explain."""

import json
from pathlib import Path

from aws_cdk import App, Validations

Finding = tuple[str, str]  # a construct's path, and a rule of the pack


def findings(assembly: Path) -> set[Finding]:
    """Return all that was found at synth, explained or not."""
    report = json.loads((assembly / "validation-report.json").read_text(encoding="utf-8"))
    return {
        (construct["constructPath"], violation["ruleName"])
        for plugin in report["pluginReports"]
        for violation in plugin["violations"] + plugin["suppressedViolations"]
        for construct in violation["violatingConstructs"]
    }


def explained(app: App) -> dict[Finding, str]:
    """Return the reason of each finding that a construct explains."""
    pack = "AwsSolutions::"
    return {
        (construct.node.path, name.removeprefix(pack)): reason
        for construct in app.node.find_all()
        for entry in construct.node.metadata
        if entry.type == Validations.ACKNOWLEDGED_RULES_METADATA_KEY
        for name, reason in entry.data.items()
        if name.startswith(pack)
    }
