"""The JSON Schema that answers are held against: a dataset's answer.schema.json.

Of any dialect that the library knows, 2020-12 where `$schema` names none. Nothing outside of the
file is ever read: a reference to another document is refused. `format` only describes, as the
standard has it, and is not checked.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING, Any, Self

from lambdas.validation.jsonl.display import shortened
from lambdas.validation.jsonl.lines import read_json

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

ANSWER_SCHEMA = "answer.schema.json"
MAX_SCHEMA_BYTES = 256 * 1024
_MOST_LEVELS = 64  # of nesting; to check 100 takes jsonschema more calls than Python allows
_NEWEST = "https://json-schema.org/draft/2020-12/schema"
# A pattern such as ^(a+)+$ takes for ever of what it does not match. A file of answers that all do
# so is not worth a function's time, either.
_SECONDS = 1.0  # of processor time
_MOST_SLOW = 20
_TOO_SLOW = "checking it takes too long: a pattern of the schema may try too many ways"
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
_FENCE = "```"


class NotASchema(ValueError):
    """The file holds no schema that answers can be held against."""

    def __init__(self, why: str, *, line: int | None = None, path: str = "") -> None:
        super().__init__(why)
        self.line, self.path = line, path


@dataclass
class AnswerSchema:
    """Says which answers are JSON that a schema allows; in a process's main thread."""

    _validator: Validator
    _slow: int = 0  # answers whose time was up

    @classmethod
    def parse(cls, content: bytes) -> Self:
        """Read the file, or raise NotASchema with the line or the path of what is wrong."""
        # Of all functions that import this package, few ever hold an answer against a schema.
        from jsonschema import SchemaError, validators  # noqa: PLC0415
        from referencing import Registry  # noqa: PLC0415

        schema = _read(content)
        named = schema.get("$schema", _NEWEST)
        dialect: Any = validators.validator_for({"$schema": str(named)}, default=None)  # type: ignore[arg-type]  # None for one that it does not know
        if dialect is None:
            raise NotASchema(f"{_shown(named)} is no known dialect", path="$.$schema")
        try:
            # With the formats, among which is that a pattern can be compiled.
            dialect.check_schema(schema, format_checker=dialect.FORMAT_CHECKER)
        except SchemaError as error:
            raise NotASchema(shortened(error.message), path=error.json_path) from None
        _check_references(schema)
        return cls(dialect(schema, registry=Registry()))

    def problem(self, answer: str) -> str:
        """Say why an answer is not JSON that the schema allows; "" if it is."""
        if self._slow >= _MOST_SLOW:
            return _TOO_SLOW
        try:
            value, repeated = read_json(_unfenced(answer))
        except ValueError as error:
            return f"it is not JSON: {error}"
        if repeated:
            return f"an object has the key {_shown(repeated[0])} twice"
        return self._problem_of(value)

    def _problem_of(self, value: Any) -> str:  # noqa: ANN401  # JSON is of any type
        from jsonschema.exceptions import best_match  # noqa: PLC0415  # as above

        try:
            with _time_limit():
                worst = best_match(self._validator.iter_errors(value))
        except TimeoutError:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)  # it may have rung as it was turned off
            self._slow += 1
            return _TOO_SLOW
        except RecursionError:
            return "the schema refers to itself without end"
        except Exception as error:  # noqa: BLE001  # of what no dialect's own schema refuses
            return f"the schema cannot be applied to it: {shortened(str(error))}"
        return f"{shortened(worst.json_path)}: {shortened(worst.message)}" if worst else ""


@contextmanager
def _time_limit() -> Iterator[None]:
    """End what takes too long: nothing but a signal ends the matching of a pattern."""

    def end(_number: int, _frame: FrameType | None) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGVTALRM, end)
    # Again and again, for an error within a callback of the interpreter's own is not raised.
    signal.setitimer(signal.ITIMER_VIRTUAL, _SECONDS, _SECONDS / 10)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def _unfenced(answer: str) -> str:
    """Return what an answer that is nothing but one fenced block holds; any other as it is.

    Models are taught to write JSON so, and whoever reads it by a program takes the fence off.
    """
    text = answer.strip()
    first, _, rest = text.partition("\n")
    is_json = first.removeprefix(_FENCE).strip().casefold() in {"", "json"}
    if first.startswith(_FENCE) and is_json and rest.endswith(_FENCE):
        return rest.removesuffix(_FENCE)
    return text


def _read(content: bytes) -> dict[str, Any]:
    if len(content) > MAX_SCHEMA_BYTES:
        raise NotASchema(f"{len(content)} bytes; at most {MAX_SCHEMA_BYTES} are allowed")
    try:
        schema, repeated = read_json(content.decode(), _MOST_LEVELS)
    except UnicodeDecodeError:
        raise NotASchema("the file is not UTF-8") from None
    except json.JSONDecodeError as error:
        why = f"the file is not JSON: {error.msg} at character {error.colno}"
        raise NotASchema(why, line=error.lineno) from None
    except ValueError as error:
        raise NotASchema(f"the file is not JSON: {error}") from None
    if repeated:
        raise NotASchema(f"an object has the key {_shown(repeated[0])} twice")
    if not isinstance(schema, dict):
        raise NotASchema("the file holds no JSON object")
    return schema


def _references(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        yield from (value[key] for key in _REFERENCES if isinstance(value.get(key), str))
    children: Iterable[object] = value.values() if isinstance(value, dict) else ()
    for child in value if isinstance(value, list) else children:
        yield from _references(child)


def _check_references(schema: dict[str, Any]) -> None:
    """Look every reference up in the file that holds it: each is to a schema."""
    from referencing import Registry, Resource  # noqa: PLC0415  # as above
    from referencing.jsonschema import DRAFT202012  # noqa: PLC0415

    root = Resource.from_contents(schema, default_specification=DRAFT202012)
    resolver = Registry().resolver_with_root(root)
    for reference in _references(schema):
        if not reference.startswith("#"):
            raise NotASchema(f"{_shown(reference)} is not in this file, and no other is read")
        try:
            found = resolver.lookup(reference).contents
        except Exception:  # noqa: BLE001  # it may fail in any way on the way through no schema
            found = None
        if not isinstance(found, dict | bool):
            raise NotASchema(f"{_shown(reference)} refers to nothing in this file")


def _shown(value: object) -> str:
    return shortened(json.dumps(value, ensure_ascii=False))
