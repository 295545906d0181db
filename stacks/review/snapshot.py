"""What would be deployed, as files for review: `python -m stacks.review.snapshot`.

A template per environment and stack with asset hashes masked, the state machines' definitions,
and the workflow's picture, which the README shows too. `--check` writes nothing and fails where the
files are out of date; `--diff ENV` shows what one environment would change against them.
"""

from __future__ import annotations

import argparse
import difflib
import json
import re
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from stacks.application import new_app, populate
from stacks.constructs.target import Target
from stacks.environment import Environment, EnvironmentInvalid, known_environments, load
from stacks.names import Names
from stacks.review.diagram import state_diagram

REPOSITORY = Path(__file__).parents[2]
SNAPSHOTS = Path("tests/stacks/snapshots")
DIAGRAM = Path("docs/workflow.mmd")
README = Path("README.md")

# "host" means another Python on every machine; the files must not.
REVIEWED_HOST = Target(python="3.13", architecture="x86_64", on_host=True)

_HASH = re.compile(r"\b[0-9a-f]{64}\b")
_PICTURE = re.compile(
    r"(?<=<!-- workflow: rendered by `make snapshot` -->\n).*?(?=<!-- /workflow -->)", re.DOTALL
)
_BOOTSTRAP = {"Parameters": "BootstrapVersion", "Rules": "CheckBootstrapVersion"}

Template = dict[str, Any]


def synthesise(environment: Environment, folder: Path) -> dict[str, Template]:
    """Return the templates by stack: "storage", "guards", "pipeline", "operations"."""
    app = new_app(folder)
    populate(app, environment, host=REVIEWED_HOST)
    prefix = Names(environment.name).of("")
    return {
        stack.stack_name.removeprefix(prefix): json.loads(json.dumps(stack.template))
        for stack in app.synth().stacks
    }


def all_definitions(stacks: Mapping[str, Template]) -> dict[str, Template]:
    """Return the definitions of an environment's state machines by name."""
    found = (definitions(stacks[name]) for name in ("pipeline", "guards"))
    return {name: definition for each in found for name, definition in each.items()}


def definitions(stack: Template) -> dict[str, Template]:
    """Return a stack's state machines by name, each reference in them as "${LogicalId}"."""
    machines = (
        each["Properties"]
        for each in stack["Resources"].values()
        if each["Type"] == "AWS::StepFunctions::StateMachine"
    )
    return {each["StateMachineName"]: _definition(each["DefinitionString"]) for each in machines}


def render(
    templates: Mapping[str, Mapping[str, Template]], root: Path = REPOSITORY
) -> dict[Path, str]:
    """Return all files by path, from the templates by environment and stack."""
    files = {
        SNAPSHOTS / f"{environment}-{stack}.template.json": _json(_masked(template))
        for environment, stacks in templates.items()
        for stack, template in stacks.items()
    }
    for environment, stacks in templates.items():
        for name, definition in all_definitions(stacks).items():
            own = name == Names(environment).state_machine
            what = "workflow" if own else name.removeprefix(Names(environment).of(""))
            path = SNAPSHOTS / f"{what}.asl.json"
            text = _json(definition)
            if files.setdefault(path, text) != text:
                path = SNAPSHOTS / f"{environment}-{what}.asl.json"
                files[path] = text
            if what == "workflow":
                files.setdefault(DIAGRAM, state_diagram(definition))
    return files | {README: _with_picture((root / README).read_text("utf-8"), files[DIAGRAM])}


def _with_picture(readme: str, diagram: str) -> str:
    picture = f"```mermaid\n{diagram}```\n"
    return _PICTURE.sub(lambda _: picture, readme, count=1)


def differences(files: Mapping[Path, str], root: Path = REPOSITORY) -> Iterator[str]:
    """Yield a unified diff for each file that does not stand so on disk."""
    for path, text in files.items():
        current = (root / path).read_text(encoding="utf-8") if (root / path).exists() else ""
        yield from difflib.unified_diff(
            current.splitlines(), text.splitlines(), f"committed/{path}", f"now/{path}", lineterm=""
        )


def stale(files: Mapping[Path, str], root: Path = REPOSITORY) -> Iterator[str]:
    """Yield a line for each file on disk of which nothing is deployed any more."""
    on_disk = {path.relative_to(root) for path in (root / SNAPSHOTS).glob("*.json")}
    yield from (f"{path} is of nothing that is deployed" for path in sorted(on_disk - {*files}))


def _definition(rendered: Mapping[str, Any]) -> Template:
    _, parts = rendered["Fn::Join"]
    text = "".join(part if isinstance(part, str) else _reference(part) for part in parts)
    definition: Template = json.loads(text)
    return definition


def _reference(part: Mapping[str, Any]) -> str:
    target = part.get("Ref") or part["Fn::GetAtt"][0]
    return "aws" if target == "AWS::Partition" else f"${{{target}}}"


def _masked(template: Template) -> Template:
    """Leave out what changes with the code or is the same in every CDK stack."""
    masked: Template = json.loads(_HASH.sub("<hash>", json.dumps(template)))
    for section, entry in _BOOTSTRAP.items():
        masked.get(section, {}).pop(entry, None)
    for resource in masked["Resources"].values():
        _mask_resource(resource["Properties"])
    return {key: value for key, value in masked.items() if value}


def _mask_resource(properties: Template) -> None:
    if "DefinitionString" in properties:
        properties["DefinitionString"] = "<the .asl.json beside this file>"
    variables = properties.get("Environment", {}).get("Variables", {})
    if "CODE_VERSION" in variables:
        variables["CODE_VERSION"] = "<hash>"


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def _write(files: Mapping[Path, str]) -> None:
    for old in (REPOSITORY / SNAPSHOTS).glob("*.json"):
        old.unlink()
    for path, text in files.items():
        (REPOSITORY / path).parent.mkdir(parents=True, exist_ok=True)
        (REPOSITORY / path).write_text(text, encoding="utf-8")


def _rendered(environments: Iterable[str]) -> dict[Path, str]:
    with tempfile.TemporaryDirectory() as folder:
        return render({name: synthesise(load(name), Path(folder) / name) for name in environments})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--check", action="store_true", help="write nothing, fail on differences")
    only.add_argument("--diff", metavar="ENV", help="show what this environment would change")
    given = parser.parse_args()
    try:
        _run(check=given.check, environment=given.diff)
    except EnvironmentInvalid as error:
        sys.exit(f"error: {error}")


def _run(*, check: bool, environment: str | None) -> None:
    if environment:
        found = [*differences(_rendered([environment]))]
        sys.stdout.write("\n".join(found or [f"{environment}: no difference"]) + "\n")
    elif check:
        files = _rendered(known_environments())
        _check([*differences(files), *stale(files)])
    else:
        _write(_rendered(known_environments()))


def _check(found: list[str]) -> None:
    if found:
        sys.stdout.write("\n".join(found) + "\n")
        sys.exit("snapshots are out of date: review the difference, then run `make snapshot`")


if __name__ == "__main__":
    main()
