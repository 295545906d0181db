"""The published schemas refuse exactly the records that the validator's structural rules refuse."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from functools import cache
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from dataset.schemas import STRUCTURAL
from lambdas.domain.models.catalogue import MODELS
from lambdas.domain.models.model import Model
from lambdas.validation import CODES, make_record
from lambdas.validation.check import Options, check
from lambdas.validation.formats.conversation import SCHEMA_VERSION
from lambdas.validation.formats.records import MAX_ID_CHARACTERS
from lambdas.validation.formats.visible import is_visible
from tests.fakes.bytes_source import BytesSource
from tests.models import CLAUDE_3_HAIKU
from tests.repository import ROOT
from tests.unit.validation.corpus.corpus import ONE_OF_EACH, Case, Kind
from tests.unit.validation.corpus.corpus_all import CASES, by_group
from tests.unit.validation.corpus.mutations import broken
from tests.unit.validation.corpus.reference import lines_of

MOST_BYTES = 2500  # of what is held against a schema, which takes its time
UNREADABLE = object()
MOST_ORDERED_MESSAGES = 64  # whose roles the schemas check in order
SCHEMAS = {
    path.name.removesuffix(".schema.json"): json.loads(path.read_text("utf-8"))
    for path in (ROOT / "dataset" / "schemas").glob("*.schema.json")
}
# Planes that hold characters, without surrogates. The schemas also know the invisible characters
# that Unicode gained after the oldest supported Python was made.
CHARACTERS = [*range(0xD800), *range(0xE000, 0x40000), *range(0xE0000, 0xF0000)]
NEWER = range(0x13439, 0x13440)


@cache
def validator(name: str) -> Draft202012Validator:
    return Draft202012Validator(SCHEMAS[name])


def schema_name(model: Model, kind: Kind) -> str:
    return "evaluation" if kind == "evaluation" else model.record_format


def no_json(constant: str) -> None:
    raise ValueError(constant)


def value_of(line: bytes) -> Any:
    try:
        return json.loads(line.decode(), parse_constant=no_json)
    except (ValueError, RecursionError):
        return UNREADABLE


def is_structural(code: str, severity: str) -> bool:
    return severity == "error" and code in STRUCTURAL


def own_lines(case: Case) -> Iterator[tuple[int, Any]]:
    """Yield the lines of the row that can be read, with their numbers in the file."""
    own = lines_of(case.own) if len(case.own) < MOST_BYTES else []
    before = lines_of(case.content).index(own[0]) if own else 0
    for number, line in enumerate(own, start=before + 1):
        value = value_of(line)
        if value is not UNREADABLE:
            yield number, value


@pytest.mark.parametrize("group", by_group().values(), ids=by_group())
def test_schema_and_validator_agree_on_every_structural_case(group: Sequence[Case]) -> None:
    for case in group:
        schema = validator(schema_name(case.model, case.kind))
        for number, value in own_lines(case):
            codes = [each for each in case.found if each.line == number]
            if not any(each.code == "not-json" for each in codes):
                wrong = any(is_structural(each.code, each.severity) for each in codes)
                assert schema.is_valid(value) is not wrong, (case.name, number)


def test_every_structural_code_has_a_case() -> None:
    assert {each.code for case in CASES for each in case.found} >= STRUCTURAL
    assert set(CODES) >= STRUCTURAL


KINDS: tuple[Kind, ...] = ("training", "evaluation")
SEEDS = {
    schema_name(model, kind): (
        model,
        kind,
        [
            case.own
            for case in CASES
            if schema_name(case.model, case.kind) == schema_name(model, kind)
            and len(case.own) < 1000
        ],
    )
    for model in ONE_OF_EACH
    for kind in KINDS
}


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(st.randoms(use_true_random=False))
@pytest.mark.parametrize("name", SEEDS)
def test_schema_and_validator_agree_on_broken_records(name: str, rng: Random) -> None:
    model, kind, seeds = SEEDS[name]
    for line in lines_of(broken(rng, seeds))[:3]:
        value = value_of(line)
        if value is not UNREADABLE:
            assert validator(name).is_valid(value) is not refused(model, kind, value), value


def refused(model: Model, kind: Kind, value: Any) -> bool:
    """Say whether the validator finds a structural fault in the value, written plainly."""
    line = BytesSource(kind, json.dumps(value).encode())
    good = BytesSource("training", b"")
    is_example = kind == "evaluation"
    training, evaluation = (good, line) if is_example else (line, None)
    report = check(model, training, None, evaluation, Options(warnings=False))
    found = report.findings.counts
    codes = {code for file, code, severity in found if file == kind and severity == "error"}
    return bool(codes & STRUCTURAL) or "not-json" in codes


@pytest.mark.parametrize("model", ONE_OF_EACH[:2], ids=lambda model: model.key)
def test_the_order_of_roles_is_checked_up_to_the_stated_number(model: Model) -> None:
    record = make_record(model.record_format, None, "Q", "A")
    question, answer = record["messages"]
    schema = validator(model.record_format)
    record["messages"] = [question, answer] * (MOST_ORDERED_MESSAGES // 2)
    assert schema.is_valid(record)
    for wrong in ([question], [answer, question], [question, question, answer]):
        room = MOST_ORDERED_MESSAGES // 2 - 2
        assert not schema.is_valid({**record, "messages": [question, answer] * room + wrong})
    record["messages"] += [question]  # beyond it, only the roles' names are
    assert schema.is_valid(record)


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS)
def test_the_schemas_are_schemas_and_say_what_things_are(schema: Any) -> None:
    Draft202012Validator.check_schema(schema)
    assert schema["title"]
    assert all(each["title"] for each in schema["properties"].values())


def test_there_is_a_schema_for_each_format() -> None:
    formats = {model.record_format for model in MODELS.values()}
    assert SCHEMAS.keys() == {*formats, "converse-reasoning", "evaluation"}


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS)
def test_the_schemas_know_which_characters_cannot_be_seen(schema: Any) -> None:
    visible = schema["$defs"]["text"]["pattern"]
    matches = re.compile(visible).match
    seen = {code for code in CHARACTERS if code not in NEWER and is_visible(chr(code))}
    assert {code for code in CHARACTERS if matches(chr(code))} == seen
    blank = f"^[{visible[2:-1]}]*$"
    assert {*patterns(schema)} <= {visible, blank, r"[\ud800-\udfff]"}


def patterns(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict) and isinstance(schema.get("pattern"), str):
        yield schema["pattern"]
    if isinstance(schema, dict | list):
        for each in schema.values() if isinstance(schema, dict) else schema:
            yield from patterns(each)


def test_the_schemas_have_the_constants_of_the_formats() -> None:
    assert SCHEMAS["evaluation"]["properties"]["id"]["maxLength"] == MAX_ID_CHARACTERS
    for name in ("converse", "converse-reasoning"):
        assert SCHEMAS[name]["properties"]["schemaVersion"]["default"] == SCHEMA_VERSION


def test_a_made_record_fits_its_schema() -> None:
    for model in ONE_OF_EACH:
        record = make_record(model.record_format, "S", "質問?", "答え")
        assert validator(model.record_format).is_valid(record)
    assert not validator(CLAUDE_3_HAIKU.record_format).is_valid({})
