"""Who may import whom, as `docs/architecture.md` says, and that no handler reads a clock."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.repository import ROOT

RULES = {
    "lambdas/domain/**/*.py": {
        "boto3", "botocore", "os", "time", "logging", "random", "aws_lambda_powertools",
        "lambdas.aws", "lambdas.runtime", "stacks", "local", "dataset", "operate",
    },
    "lambdas/aws/*.py": {"lambdas.runtime.step", "stacks", "local", "dataset", "operate"},
    "lambdas/handlers/*.py": {"boto3", "botocore", "time", "stacks", "local", "dataset", "operate"},
    "stacks/**/*.py": {"boto3", "botocore", "lambdas.aws", "lambdas.runtime", "local", "dataset"},
    "dataset/**/*.py": {"aws_cdk", "stacks.application", "stacks.review.snapshot", "local"},
    "operate/*.py": {"aws_cdk", "stacks.application", "stacks.review.snapshot", "local"},
    "local/bedrock/**/*.py": {"ministack", "lambdas", "stacks", "dataset"},
}  # fmt: skip
CASES = [
    (str(path.relative_to(ROOT)), forbidden)
    for pattern, forbidden in RULES.items()
    for path in sorted(ROOT.glob(pattern))
]


def imported(source: str) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def offends(name: str, forbidden: set[str]) -> bool:
    return any(name == each or name.startswith(f"{each}.") for each in forbidden)


@pytest.mark.parametrize(("path", "forbidden"), CASES, ids=[path for path, _ in CASES])
def test_imports_only_what_its_layer_may(path: str, forbidden: set[str]) -> None:
    found = {name for name in imported((ROOT / path).read_text()) if offends(name, forbidden)}
    assert not found, f"{path} imports {sorted(found)}"


@pytest.mark.parametrize("path", sorted(ROOT.glob("lambdas/**/*.py")), ids=lambda path: path.stem)
def test_no_function_reads_a_clock(path: Path) -> None:
    calls = [
        ast.unparse(node.func)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
    ]
    clocks = {"datetime.now", "datetime.utcnow", "date.today", "time.time", "time.monotonic"}
    assert not clocks & set(calls)


def test_the_rule_can_fail() -> None:
    assert offends("boto3.session", {"boto3"})
    assert not offends("boto3stubs", {"boto3"})
    assert "lambdas.aws.clients" in imported("from lambdas.aws import clients")
