"""Who may import whom, as `docs/architecture.md` says, and that no function reads a clock."""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
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
    "lambdas/aws/*.py": {
        "lambdas.runtime", "lambdas.handlers", "stacks", "local", "dataset", "operate",
    },
    "lambdas/runtime/*.py": {
        "boto3", "botocore", "time", "lambdas.handlers", "lambdas.aws", "lambdas.validation",
        "stacks", "local", "dataset", "operate",
    },
    "lambdas/handlers/*.py": {
        "boto3", "botocore", "time", "lambdas.handlers", "stacks", "local", "dataset", "operate",
    },
    "stacks/**/*.py": {"boto3", "botocore", "lambdas.aws", "lambdas.runtime", "local", "dataset"},
    # What watches the pipeline knows its steps, and nothing that makes resources of them.
    "stacks/guards/*.py": {"stacks.storage", "stacks.pipeline.stack", "stacks.pipeline.workflow"},
    "stacks/operations/*.py": {"stacks.pipeline.stack", "stacks.guards.stack", "stacks.storage"},
    "stacks/**/step*.py": {"aws_cdk", "constructs"},
    "dataset/**/*.py": {"aws_cdk", "stacks.application", "stacks.review", "local"},
    "operate/**/*.py": {"aws_cdk", "stacks.application", "stacks.review", "local"},
    # A spawned process cannot import the `__main__` of a package.
    "local/**/__main__.py": {"multiprocessing"},
    "local/bedrock/**/*.py": {"ministack", "lambdas", "stacks", "dataset"},
}  # fmt: skip
# A room may import the rooms before it, and none of those beside or after it.
ROOMS: dict[str, tuple[set[str], ...]] = {
    "lambdas/domain": (
        {"errors"}, {"parallel", "models"}, {"run"}, {"hosting", "training"}, {"evaluation"},
        {"data_review"}, {"cost"}, {"approval"}, {"housekeeping"}, {"preflight", "reporting"},
    ),
    "lambdas/validation": ({"jsonl"}, {"formats"}, {"warnings"}),
    "stacks": (
        {"names", "environment"}, {"constructs"}, {"storage", "pipeline"}, {"guards"},
        {"operations"}, {"application"}, {"review"},
    ),
    "dataset": ({"schemas", "sources"}, {"generation"}, {"commands"}, {"__main__"}),
    "local": (
        {"api_calls", "clock", "environment"}, {"call_faults", "bedrock"},
        {"services", "states", "functions"},
        {"ministack"}, {"server"}, {"rehearsal"}, {"fault_matrix", "__main__"},
    ),
}  # fmt: skip
# What a folder imports of the rest of `lambdas`.
OUTSIDE = {"lambdas/validation": {"lambdas.domain.models", "lambdas.domain.errors"}}
PACKAGES = ("lambdas", "stacks", "local", "dataset", "operate")
# The review quotes a run on the shipped dataset.
EXCEPTIONS = {"stacks/review/side.py": {"dataset"}}
CASES = [
    (name := str(path.relative_to(ROOT)), forbidden - EXCEPTIONS.get(name, set()))
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


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def room_of(module: str, package: str) -> str:
    """Return the room of `package` that a module or a name in it belongs to, "" if none."""
    prefix = package.replace("/", ".") + "."
    return module.removeprefix(prefix).partition(".")[0] if module.startswith(prefix) else ""


def offends(name: str, forbidden: set[str]) -> bool:
    return any(name == each or name.startswith(f"{each}.") for each in forbidden)


@pytest.mark.slow
@pytest.mark.parametrize(("path", "forbidden"), CASES, ids=[path for path, _ in CASES])
def test_imports_only_what_its_layer_may(path: str, forbidden: set[str]) -> None:
    found = {name for name in imported((ROOT / path).read_text()) if offends(name, forbidden)}
    assert not found, f"{path} imports {sorted(found)}"


@pytest.mark.slow
@pytest.mark.parametrize("package", ROOMS)
def test_rooms_import_only_rooms_before_them(package: str) -> None:
    rank = {room: index for index, rooms in enumerate(ROOMS[package]) for room in rooms}
    folders = {path.parent.name for path in ROOT.glob(f"{package}/*/__init__.py")}
    assert folders <= {*rank}, "every room has its place in the order"
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sorted(ROOT.glob(f"{package}/**/*.py"))
        if (room := room_of(module_of(path), package)) in rank
        for name in imported(path.read_text(encoding="utf-8"))
        if (target := room_of(name, package)) and target != room
        if rank.get(target, len(rank)) >= rank[room]
    ]
    assert not wrong


@pytest.mark.slow
def test_no_modules_import_each_other_in_a_circle() -> None:
    paths = {module_of(path): path for each in PACKAGES for path in ROOT.glob(f"{each}/**/*.py")}
    graph = {}
    for module, path in paths.items():
        names = imported(path.read_text(encoding="utf-8"))
        # `from package import module` needs the module, not what the package exports.
        parents = {name.rpartition(".")[0] for name in names & {*paths}}
        graph[module] = (names & {*paths}) - parents - {module}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail("; ".join(f"{b} imports {a}" for a, b in pairwise(error.args[1])))


@pytest.mark.parametrize("folder", OUTSIDE)
def test_a_folder_imports_only_this_of_the_rest(folder: str) -> None:
    allowed = OUTSIDE[folder] | {folder.replace("/", ".")}
    for path in (ROOT / folder).glob("**/*.py"):
        own = {name for name in imported(path.read_text()) if offends(name, {"lambdas"})}
        assert all(offends(name, allowed) for name in own), f"{path} imports {sorted(own)}"


@pytest.mark.parametrize("package", PACKAGES)
def test_every_package_says_what_is_in_it(package: str) -> None:
    silent = [
        str(path.relative_to(ROOT))
        for path in ROOT.glob(f"{package}/**/__init__.py")
        if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert not silent


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


def test_the_rooms_can_be_told_apart() -> None:
    assert room_of("lambdas.domain.cost.quote.Quote", "lambdas/domain") == "cost"
    assert room_of("lambdas.domain.errors", "lambdas/domain") == "errors"
    assert not room_of("lambdas.domain", "lambdas/domain")
    assert not room_of("lambdas.aws.clients", "lambdas/domain")
