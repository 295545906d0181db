"""What would be deployed, as text for review: `python -m stacks.review.snapshot` writes it.

dev in full, by kind: what nearly all resources of a type share stands once. Of the other
environments how they differ from dev. The state machines as YAML, each list of retries once, and
the picture in docs/.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

import yaml

from exit_codes import ExitCode
from stacks.environment import EnvironmentInvalid, known_environments, load
from stacks.review.changes import compare
from stacks.review.diagram import flowchart
from stacks.review.kinds import kinds_of, line, own_lines
from stacks.review.sections import sections
from stacks.review.templates import Deployment, Template, read, synthesise

REPOSITORY = Path(__file__).parents[2]
SNAPSHOTS = Path("tests/stacks/snapshots")
REFERENCE = "dev"  # the environment that is shown in full
PICTURED = Path("docs/architecture.md")

_PICTURE = re.compile(
    r"(?<=<!-- workflow: rendered by `make snapshot` -->\n).*?(?=<!-- /workflow -->)", re.DOTALL
)


def render(deployments: Mapping[str, Deployment]) -> dict[Path, str]:
    """Return all files by path, from the deployments by environment."""
    reference = deployments[REFERENCE]
    files = {SNAPSHOTS / f"{REFERENCE}.txt": by_kind(reference)}
    for name, machine in reference.machines.items():
        files[SNAPSHOTS / f"{name}.yaml"] = machine_yaml(machine)
    for name, deployment in deployments.items():
        if name != REFERENCE:
            files[SNAPSHOTS / f"{name}.txt"] = difference(reference, deployment)
    picture = flowchart(reference.machines["workflow"])
    page = (REPOSITORY / PICTURED).read_text("utf-8")
    files[PICTURED] = _PICTURE.sub(lambda _: f"```mermaid\n{picture}```\n", page, count=1)
    return files


def by_kind(deployment: Deployment) -> str:
    """Return all resources by type, what a type shares once."""
    kinds = kinds_of(deployment)
    resources = sorted(deployment.resources.values(), key=lambda each: (each.type, each.key))
    text = ""
    for kind, same in groupby(resources, key=lambda each: each.type):
        text += f"## {kind}\n"
        if kinds[kind]:
            text += "each, unless said otherwise:\n"
            text += "".join(f"  {line(field)}\n" for field in kinds[kind])
        for resource in same:
            text += f"{resource.stack}/{resource.name}\n"
            text += "".join(f"  {own}\n" for own in own_lines(resource, kinds))
        text += "\n"
    return text


def machine_yaml(machine: Template) -> str:
    """Return the definition as YAML, in which each list of retries has a name."""
    retries: dict[str, Any] = {}

    def named(value: Any) -> Any:
        if isinstance(value, list):
            return [named(item) for item in value]
        if not isinstance(value, dict):
            return value
        return {
            key: _retry_name(item, retries) if key == "Retry" else named(item)
            for key, item in value.items()
        }

    document = {"machine": named(machine)}
    whole = {"retries": retries, **document}
    return str(yaml.safe_dump(whole, sort_keys=False, allow_unicode=True, width=10_000))


def _retry_name(retry: list[Template], retries: dict[str, Any]) -> str:
    first = str(retry[0]["ErrorEquals"][0])
    number = 1
    while retries.setdefault(name := f"{first} {number}", retry) != retry:
        number += 1
    return name


def difference(reference: Deployment, other: Deployment) -> str:
    """Return how `other` differs from `reference`, complete."""
    found = sections(compare(reference, other))
    lines = [f"How {other.environment} differs from {reference.environment}: before → after.", ""]
    for title, entries in found.items():
        lines += [f"## {title}", *entries, ""]
    return "\n".join(lines)


def _deployment(name: str) -> Deployment:
    environment = load(name)
    with tempfile.TemporaryDirectory() as folder:
        stacks = synthesise(environment, Path(folder))
        return read(name, environment.region, stacks, account=environment.account)


def main() -> ExitCode:
    try:
        files = render({name: _deployment(name) for name in known_environments()})
    except EnvironmentInvalid as error:
        print(f"error: {error}", file=sys.stderr)
        return ExitCode.ERROR
    for old in (REPOSITORY / SNAPSHOTS).glob("*"):
        old.unlink()
    for path, text in files.items():
        (REPOSITORY / path).parent.mkdir(parents=True, exist_ok=True)
        (REPOSITORY / path).write_text(text, encoding="utf-8")
    return ExitCode.OK


if __name__ == "__main__":
    sys.exit(main())
