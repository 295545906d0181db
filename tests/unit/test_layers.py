"""Who may import whom, as `docs/architecture.md` says, and that no handler reads a clock."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from tests.repository import ROOT

RULES = {
    "lambdas/domain/**/*.py": {
        "boto3", "botocore", "os", "time", "logging", "random", "aws_lambda_powertools",
        "lambdas.aws", "lambdas.runtime", "stacks", "local", "dataset", "operate",
    },
    "lambdas/validation/**/*.py": {
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
# Rooms of a folder in the order of their imports: each imports only those before it.
ROOMS = {"lambdas/validation": ("jsonl", "formats", "findings", "warnings")}
# What a folder imports of the rest of `lambdas`.
OUTSIDE = {"lambdas/validation": {"lambdas.domain.models", "lambdas.domain.errors"}}
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


@pytest.mark.parametrize(
    ("folder", "room"), [(folder, room) for folder, rooms in ROOMS.items() for room in rooms]
)
def test_rooms_import_in_one_order(folder: str, room: str) -> None:
    package, rooms = folder.replace("/", "."), ROOMS[folder]
    earlier = {f"{package}.{each}" for each in rooms[: rooms.index(room) + 1]}
    for path in (ROOT / folder / room).glob("**/*.py"):
        own = {name for name in imported(path.read_text()) if offends(name, {package})}
        assert all(offends(name, earlier) for name in own), f"{path} imports {sorted(own)}"


@pytest.mark.parametrize("folder", ROOMS)
def test_modules_import_without_circles(folder: str) -> None:
    paths = {
        path: str(path.relative_to(ROOT).with_suffix("")).replace("/", ".")
        for path in (ROOT / folder).glob("**/*.py")
    }
    TopologicalSorter(
        {name: imported(path.read_text()) & set(paths.values()) for path, name in paths.items()}
    ).prepare()  # raises CycleError


@pytest.mark.parametrize("folder", OUTSIDE)
def test_a_folder_imports_only_this_of_the_rest(folder: str) -> None:
    allowed = OUTSIDE[folder] | {folder.replace("/", ".")}
    for path in (ROOT / folder).glob("**/*.py"):
        own = {name for name in imported(path.read_text()) if offends(name, {"lambdas"})}
        assert all(offends(name, allowed) for name in own), f"{path} imports {sorted(own)}"


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
