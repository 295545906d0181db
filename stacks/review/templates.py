"""An environment's templates as a reviewer compares them: fields, grants and state machines.

Intrinsic functions are written as in `Fn::Sub`, JSON in strings is opened, and what changes without
anybody's intent (hashes of code and of logical ids) is masked. The environment's own name and
region are `<env>` and `<region>`, so that two environments compare.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from lambdas.domain.run.names import PROJECT
from stacks.constructs.target import Target
from stacks.environment import Environment
from stacks.names import Names
from stacks.review.grants import Grant, grants_of, statement_grant
from stacks.review.text import flow

STACK = "Stack"  # the type under which a stack's own description and outputs are compared
_STEPS = "Functions"  # what the logical ids of steps begin with; a step may be one word
_ASSET_HASH = re.compile(r"\b[0-9a-f]{64}\b")
_CODE_VERSION = re.compile(r"[0-9a-f]{12}")
_VERSION_HASH = re.compile(r"(?<=CurrentVersion)[0-9A-F]{8}[0-9a-f]{32}\b")
_ID_HASH = re.compile(r"(?<=[A-Za-z])(?:[0-9A-F]{8})+(?![0-9a-z])")
_BOOTSTRAP = {"Parameters": "BootstrapVersion", "Rules": "CheckBootstrapVersion"}
_LABELS = ("PolicyName", "Name", "Key", "Id", "title", "Next")
_LONGEST_ITEM = 200  # characters; a labelled entry of a list that is longer takes several lines

Template = dict[str, Any]
Field = tuple[str, str]  # path and value


@dataclass(frozen=True)
class Resource:
    """A resource as it is compared; a state machine's definition stands apart."""

    stack: str
    name: str  # the logical id without its hash
    type: str
    logical_id: str
    properties: Template
    fields: tuple[Field, ...]
    statements: tuple[Field, ...] = ()
    grants: frozenset[Grant] = frozenset()

    @property
    def key(self) -> tuple[str, str]:
        return self.stack, self.name

    def value(self, path: str) -> str | None:
        return next((text for at, text in self.fields if at == path), None)

    @cached_property
    def masked(self) -> list[Field]:
        """All fields as kin compare: with the resource's own name masked."""
        return [(path, self.own(text)) for path, text in (*self.fields, *self.statements)]

    def own(self, text: str) -> str:
        """Return the text with the resource's own name in it as `<its>`, so that kin compare."""
        masked = self._own_name.sub(lambda found: self._own_names[found.group()], text)
        return masked.replace(".<its-slug>", ".<its_slug>")  # a module; of one word, the same name

    @cached_property
    def _own_name(self) -> re.Pattern[str]:
        names = "|".join(sorted(self._own_names, key=len, reverse=True))
        return re.compile(rf"(?<![A-Za-z])(?:{names})(?![a-z])" if names else "$^")

    @cached_property
    def _own_names(self) -> dict[str, str]:
        words = re.findall(r"[A-Z][a-z0-9]*", self.name)
        whole = [stem for stem in (words, words[:-1]) if len(stem) > 1]
        parts = [
            stem
            for words in whole
            for stem in (words, words[1:])
            if len(stem) > 1 or words[0] == _STEPS
        ]
        names = {"".join(stem): "<its>" for stem in whole}
        for stem in parts:
            names["_".join(stem).lower()] = "<its_slug>"
            names["-".join(stem).lower()] = "<its-slug>"
            names[" ".join(stem).capitalize()] = "<Its slug>"
        return names


@dataclass(frozen=True)
class Deployment:
    """One environment as it would be deployed."""

    environment: str
    resources: Mapping[tuple[str, str], Resource] = field(default_factory=dict)
    machines: Mapping[str, Template] = field(default_factory=dict)  # by what they are for


def synthesise(environment: Environment, folder: Path) -> dict[str, Template]:
    """Return the templates by stack: "storage", "guards", "pipeline", "operations"."""
    # The CDK takes seconds to import, and reading templates does not need it.
    from stacks.application import new_app, populate  # noqa: PLC0415

    app = new_app(folder)
    # Every machine has another Python; what is reviewed must not.
    host = Target(python="3.13", architecture="x86_64", on_host=True)
    populate(app, environment, host=host)
    prefix = Names(environment.name).of("")
    return {
        stack.stack_name.removeprefix(prefix): json.loads(json.dumps(stack.template))
        for stack in app.synth().stacks
    }


def read(
    environment: str, region: str, stacks: Mapping[str, Template], *, account: str | None = None
) -> Deployment:
    """Return what is compared of an environment's templates; `account`: what it is pinned to."""
    reader = _Reader(environment, region, account)
    resources: dict[tuple[str, str], Resource] = {}
    machines: dict[str, Template] = {}
    for stack, template in sorted(stacks.items()):
        for logical_id, raw in template["Resources"].items():
            resource, definition = reader.resource(stack, logical_id, raw)
            if resource.key in resources:  # two that differ in their hash only
                resource = replace(resource, name=logical_id)
            resources[resource.key] = resource
            if definition is not None:
                machines[reader.machine_name(raw)] = definition
        rest = reader.rest(stack, template)
        resources[rest.key] = rest
    return Deployment(environment, resources, machines)


@dataclass(frozen=True)
class _Reader:
    environment: str
    region: str
    account: str | None

    def resource(self, stack: str, logical_id: str, raw: Template) -> tuple[Resource, Any]:
        properties = self.resolved(raw.get("Properties", {}))
        definition = properties.pop("DefinitionString", None)
        attributes = self.resolved(
            {k: v for k, v in raw.items() if k not in {"Type", "Properties"}}
        )
        fields = [*fields_of(properties), *fields_of(attributes)]
        name = self._text(logical_id)
        return Resource(
            stack=stack,
            name=name,
            type=raw["Type"],
            logical_id=logical_id,
            properties=properties,
            fields=tuple(field for field in fields if not _is_statement(field[0])),
            statements=tuple(field for field in fields if _is_statement(field[0])),
            grants=frozenset(grants_of(name, raw["Type"], properties)),
        ), definition

    def machine_name(self, raw: Template) -> str:
        name = self._text(raw["Properties"]["StateMachineName"])
        return name.removeprefix(f"{PROJECT}-<env>").removeprefix("-") or "workflow"

    def rest(self, stack: str, template: Template) -> Resource:
        """Return all that a template has in addition to its resources."""
        rest = {
            section: {k: v for k, v in content.items() if k != _BOOTSTRAP.get(section)}
            if isinstance(content, dict)
            else content
            for section, content in template.items()
            if section != "Resources"
        }
        kept = {section: content for section, content in rest.items() if content}
        resolved = self.resolved(kept)
        return Resource(stack, STACK, STACK, STACK, resolved, tuple(fields_of(resolved)))

    def resolved(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._opened(self._text(value))
        if isinstance(value, list):
            return [self.resolved(item) for item in value]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            text = self._intrinsic(*next(iter(value.items())))
            if text is not None:
                return self._opened(text)
        return {
            self._text(key): "<hash>"
            if key == "CODE_VERSION" and _CODE_VERSION.fullmatch(str(item))
            else self.resolved(item)
            for key, item in value.items()
        }

    def _intrinsic(self, function: str, argument: Any) -> str | None:
        match function, argument:
            case "Ref", "AWS::Partition":
                text = "aws"
            case "Ref", str():
                text = f"${{{argument}}}"
            case "Fn::GetAtt", [str(of), str(attribute)]:
                text = f"${{{of}.{attribute}}}"
            case "Fn::GetStackOutput", {"StackName": str(stack), "OutputName": str(output)}:
                text = f"${{{stack}.{output}}}"
            case "Fn::Sub", str():
                text = argument
            case "Fn::Join", ["", [*parts]]:
                texts = [part if isinstance(part, str) else self.resolved(part) for part in parts]
                if not all(isinstance(part, str) for part in texts):
                    return None
                text = "".join(texts)
            case _:
                return None
        return self._text(text)

    def _opened(self, text: str) -> Any:
        if not text.startswith(("{", "[")):
            return text
        try:
            return self.resolved(json.loads(text))
        except json.JSONDecodeError:
            return text

    def _text(self, text: str) -> str:
        unversioned = _VERSION_HASH.sub("", _ASSET_HASH.sub("<hash>", text))
        masked = _ID_HASH.sub("", unversioned)
        if self.account:
            masked = masked.replace(self.account, "${AWS::AccountId}")
        joined = f"{PROJECT}-{self.environment}".replace("-", "")
        own = rf"(?<![A-Za-z0-9]){self.environment}(?![A-Za-z0-9])"
        named = re.sub(own, "<env>", masked.replace(joined, f"{PROJECT.replace('-', '')}<env>"))
        return re.sub(rf"{self.region}(?![0-9])", "<region>", named)


def fields_of(value: Any, path: str = "") -> Iterator[Field]:
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from fields_of(item, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
        for item in value:
            yield from _item(item, path)
    elif path:
        yield path, flow(value)


def _item(item: Any, path: str) -> Iterator[Field]:
    if path.endswith("Statement"):
        yield f"{path}[]", statement_grant(item).text
        return
    text, label = flow(item), _label(item)
    if label is not None and (len(text) > _LONGEST_ITEM or "PolicyDocument" in item):
        yield from fields_of(item, f"{path}[{label}]")
    else:
        yield f"{path}[]", text


def _label(item: Any) -> str | None:
    if not isinstance(item, dict):
        return None
    found = next((item[name] for name in _LABELS if isinstance(item.get(name), str)), None)
    return found if found is not None else _label(item.get("properties"))


def _is_statement(path: str) -> bool:
    return path.endswith("Statement[]")
