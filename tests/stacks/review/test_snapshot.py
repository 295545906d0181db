"""The committed snapshots are what would be deployed, whole, and change little with little."""

import copy
import difflib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from stacks.environment import Environment
from stacks.review import snapshot
from stacks.review.snapshot import (
    PICTURED,
    REPOSITORY,
    SNAPSHOTS,
    by_kind,
    difference,
    machine_yaml,
    render,
)
from stacks.review.templates import Deployment, Field, Resource, read

Deployments = Mapping[str, Deployment]
Templates = Mapping[str, dict[str, dict[str, Any]]]
MASKED = {"BootstrapVersion", "CheckBootstrapVersion"}
Place = tuple[str | int, ...]


def test_snapshots_are_up_to_date(deployments: Deployments) -> None:
    files = render(deployments)
    found = [
        line
        for path, text in files.items()
        for line in difflib.unified_diff(
            committed(path).splitlines(), text.splitlines(), str(path), "now", lineterm=""
        )
    ]
    assert not found, "run `make snapshot` and review:\n" + "\n".join(found[:200])
    assert {*(REPOSITORY / SNAPSHOTS).iterdir()} == {
        REPOSITORY / path for path in files if path != PICTURED
    }


def committed(path: Path) -> str:
    return (REPOSITORY / path).read_text("utf-8") if (REPOSITORY / path).exists() else ""


def test_make_snapshot_runs_every_generator() -> None:
    makefile = (REPOSITORY / "Makefile").read_text("utf-8")
    target = makefile.partition("\nsnapshot:")[2].partition("\n\n")[0]
    generators = {f"docs.{path.stem}" for path in (REPOSITORY / "docs").glob("generate_*.py")}
    commands = {line.split()[-1] for line in target.splitlines()[1:]}
    assert commands == generators | {"stacks.review.snapshot"}


def test_all_environments_run_the_same_machines(deployments: Deployments) -> None:
    machines = deployments["dev"].machines
    assert sorted(machines) == ["cleanup", "decide-spend", "guard", "workflow"]
    assert all(each.machines == machines for each in deployments.values())


def leaves(value: Any, place: Place = ()) -> Iterator[Place]:
    if isinstance(value, dict):
        for key, item in value.items():
            if key not in MASKED:
                yield from leaves(item, (*place, key))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from leaves(item, (*place, number))
    else:
        yield place


def altered(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    return f"{value}x" if isinstance(value, str) else value + 1


def with_altered(whole: Any, place: Place) -> Any:
    whole = copy.deepcopy(whole)
    *way, last = place
    inner = whole
    for key in way:
        inner = inner[key]
    inner[last] = altered(inner[last])
    return whole


def shown(stack: dict[str, Any]) -> tuple[str, Mapping[str, Any]]:
    deployment = read("dev", "us-east-1", {"stack": stack})
    return by_kind(deployment), deployment.machines


@pytest.mark.parametrize("stack", ["storage", "guards", "pipeline", "operations"])
def test_a_change_of_any_one_leaf_changes_the_text(templates: Templates, stack: str) -> None:
    template = templates["dev"][stack]
    rest = {key: value for key, value in template.items() if key != "Resources"}
    parts = [{"Resources": {key: each}} for key, each in template["Resources"].items()]
    for part in [*parts, {"Resources": {}, **rest}]:
        before = shown(part)
        for place in leaves(part):
            assert shown(with_altered(part, place)) != before, place


def test_the_yaml_of_a_machine_has_all_of_it(deployments: Deployments) -> None:
    for machine in deployments["dev"].machines.values():
        document = yaml.safe_load(machine_yaml(machine))
        assert with_retries(document["machine"], document["retries"]) == machine


def with_retries(value: Any, retries: Mapping[str, Any]) -> Any:
    if isinstance(value, list):
        return [with_retries(item, retries) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: retries[item] if key == "Retry" else with_retries(item, retries)
        for key, item in value.items()
    }


def one_of_each(deployment: Deployment) -> Iterator[tuple[Resource, str, int]]:
    """Yield for each path of a type one resource, and the index of one of its fields."""
    seen: set[tuple[str, str]] = set()
    for resource in deployment.resources.values():
        for name in ("fields", "statements"):
            fields: tuple[Field, ...] = getattr(resource, name)
            for index, (path, _) in enumerate(fields):
                if (resource.type, path) not in seen:
                    seen.add((resource.type, path))
                    yield resource, name, index


def with_field(deployment: Deployment, resource: Resource, name: str, index: int) -> Deployment:
    fields = [*getattr(resource, name)]
    fields[index] = (fields[index][0], fields[index][1] + "x")
    new = replace(resource, **{name: tuple(fields)})
    return replace(deployment, resources={**deployment.resources, resource.key: new})


def of_kind(deployment: Deployment, kind: str) -> Deployment:
    same = {key: each for key, each in deployment.resources.items() if each.type == kind}
    return replace(deployment, resources=same, machines={})


def kinds(deployment: Deployment) -> set[str]:
    return {each.type for each in deployment.resources.values()}


def test_no_field_hides_behind_what_its_kind_shares(deployments: Deployments) -> None:
    for kind in kinds(deployments["dev"]):
        dev = of_kind(deployments["dev"], kind)
        before = by_kind(dev)
        for resource, name, index in one_of_each(dev):
            assert by_kind(with_field(dev, resource, name, index)) != before, resource.name


def test_no_field_of_another_environment_is_left_out(deployments: Deployments) -> None:
    for kind in kinds(deployments["prod"]):
        dev, prod = (of_kind(deployments[name], kind) for name in ("dev", "prod"))
        before = difference(dev, prod)
        for resource, name, index in one_of_each(prod):
            if name == "fields":  # statements are compared as grants
                after = with_field(prod, resource, name, index)
                assert difference(dev, after) != before, resource.name


def test_what_code_changes_is_masked(templates: Templates) -> None:
    text = json.dumps(templates["dev"]["pipeline"])
    [code] = {
        each["Properties"]["Environment"]["Variables"]["CODE_VERSION"]
        for each in templates["dev"]["pipeline"]["Resources"].values()
        if each["Type"] == "AWS::Lambda::Function"
    }
    other = text.replace(code, "0123456789ab").replace("EA370CF8", "0A0B0C0D")
    assert other != text
    stacks = {**templates["dev"], "pipeline": json.loads(other)}
    before, after = (read("dev", "us-east-1", each) for each in (templates["dev"], stacks))
    assert by_kind(after) == by_kind(before)
    assert after.machines == before.machines


Edit = Callable[[dict[str, Any]], object]


@pytest.fixture
def changed_lines(
    environments: Mapping[str, Environment], templates: Templates, deployments: Deployments
) -> Callable[[Edit], list[tuple[str, str]]]:
    """Return file and line of all that an edit of every environment changes."""

    def change(edit: Edit) -> list[tuple[str, str]]:
        stacks = copy.deepcopy(dict(templates))
        for each in stacks.values():
            edit(each)
        after = render(
            {
                name: read(name, made.region, stacks[name], account=made.account)
                for name, made in environments.items()
            }
        )
        before = render(deployments)
        return [
            (path.name, line)
            for path, text in after.items()
            for line in difflib.ndiff(before[path].splitlines(), text.splitlines())
            if line.startswith(("+", "-"))
        ]

    return change


def add_function(stacks: dict[str, Any]) -> None:
    """Add *Count words*, a copy of *Notify*, and its state."""
    pipeline = stacks["pipeline"]["Resources"]
    copied = {key: each for key, each in pipeline.items() if key.startswith("FunctionsNotify")}
    text = json.dumps(copied).replace("FunctionsNotify", "FunctionsCountWords")
    text = text.replace("-notify", "-count-words").replace("'Notify'", "'Count words'")
    pipeline |= json.loads(text)
    [machine] = [each for key, each in pipeline.items() if key.startswith("MachineStateMachine")]
    parts = machine["Properties"]["DefinitionString"]["Fn::Join"][1]
    state = '"Count words":{"Type":"Pass","Next":"Quote cost"},"Validate dataset":{'
    parts[:] = [
        part.replace('"Validate dataset":{', state, 1) if isinstance(part, str) else part
        for part in parts
    ]


def test_a_new_function_is_at_most_400_lines(changed_lines: Any) -> None:
    lines = changed_lines(add_function)
    assert any("may sns:Publish" in line for _, line in lines)
    assert 20 < len(lines) <= 400


def test_what_all_functions_share_changes_once(changed_lines: Any) -> None:
    def edit(stacks: dict[str, Any]) -> None:
        for stack in stacks.values():
            for resource in stack["Resources"].values():
                if resource["Type"] == "AWS::Lambda::Function":
                    resource["Properties"]["RecursiveLoop"] = "Allow"

    assert changed_lines(edit) == [("dev.txt", "+   RecursiveLoop: Allow")]


def test_the_picture_is_in_the_docs(
    deployments: Deployments, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, end = "<!-- workflow: rendered by `make snapshot` -->\n", "<!-- /workflow -->\n"
    (tmp_path / PICTURED).parent.mkdir()
    (tmp_path / PICTURED).write_text(f"before\n{start}an old picture\n{end}after\n")

    monkeypatch.setattr(snapshot, "REPOSITORY", tmp_path)
    page = render(deployments)[PICTURED]

    assert page.startswith(f"before\n{start}```mermaid\nflowchart TB\n")
    assert page.endswith(f"```\n{end}after\n")
    assert "```mermaid\nflowchart TB\n" in (REPOSITORY / PICTURED).read_text("utf-8")
