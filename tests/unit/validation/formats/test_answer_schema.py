from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.validation.formats import answer_schema
from lambdas.validation.formats.answer_schema import MAX_SCHEMA_BYTES, AnswerSchema, NotASchema

TICKET = {
    "type": "object",
    "properties": {"queue": {"$ref": "#/$defs/queue"}, "urgent": {"type": "boolean"}},
    "required": ["queue", "urgent"],
    "additionalProperties": False,
    "$defs": {"queue": {"enum": ["network", "billing", "請求"]}},
}
RIGHT = '{"queue": "billing", "urgent": false}'


def schema(value: object) -> AnswerSchema:
    return AnswerSchema.parse(json.dumps(value).encode())


@pytest.mark.parametrize(
    "answer",
    [
        RIGHT,
        f"\n  {RIGHT}\n",
        f"```json\n{RIGHT}\n```",
        f"```\n{RIGHT}\n```\n",
        f"``` JSON\r\n{RIGHT}\n  ```",
        '{"urgent": true, "queue": "\\u8acb\\u6c42"}',
    ],
)
def test_json_that_the_schema_allows_is_an_answer(answer: str) -> None:
    assert schema(TICKET).problem(answer) == ""


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ("", "it is not JSON"),
        ("billing", "it is not JSON"),
        (f"Here it is: {RIGHT}", "it is not JSON"),
        (f"```json\n{RIGHT}\n```\nAnything else?", "it is not JSON"),
        (f"{RIGHT}{RIGHT}", "it is not JSON"),
        ("{'queue': 'billing', 'urgent': false}", "it is not JSON"),
        ('{"queue": "billing", "urgent": NaN}', "NaN is not JSON"),
        ('{"queue": "billing", "urgent": false, "urgent": true}', 'the key "urgent" twice'),
        ("[" * 100_000, "levels deep"),
        ('{"queue": "billing"}', "$: 'urgent' is a required property"),
        ('{"queue": "hardware", "urgent": true}', "$.queue: 'hardware' is not one of"),
        ('{"queue": "billing", "urgent": "no"}', "$.urgent: 'no' is not of type 'boolean'"),
        (json.dumps(RIGHT), "is not of type 'object'"),
    ],
)
def test_everything_else_is_none_and_says_why(answer: str, says: str) -> None:
    assert says in schema(TICKET).problem(answer)


@pytest.mark.parametrize(
    ("content", "says", "line", "path"),
    [
        (b'{\n"type":\n}', "not JSON: Expecting value at character 1", 3, ""),
        (b"\xff\xfe{", "not UTF-8", None, ""),
        (b"[]", "no JSON object", None, ""),
        (b'{"a": 1, "a": 2}', 'the key "a" twice', None, ""),
        (b" " * (MAX_SCHEMA_BYTES + 1), "at most 262144 are allowed", None, ""),
        (b"[" * 1_000, "levels deep", None, ""),
        (b'{"properties": {"age": {"type": "nmber"}}}', "'nmber'", None, "$.properties.age.type"),
        (b'{"pattern": "("}', "'(' is not a 'regex'", None, "$.pattern"),
        (b'{"$schema": "http://nowhere.example/schema"}', "no known dialect", None, "$.$schema"),
        (b'{"$schema": 7}', "no known dialect", None, "$.$schema"),
        (b'{"allOf": [{"$ref": "#/$defs/x"}]}', "refers to nothing", None, ""),
        (b'{"$ref": "#/$defs/x"}', "refers to nothing in this file", None, ""),
        (b'{"title": "a", "$ref": "#/title"}', "refers to nothing in this file", None, ""),
        (b'{"title": "a", "$ref": "#/title/0"}', "refers to nothing in this file", None, ""),
        (b'{"allOf": [{}], "$ref": "#/allOf"}', "refers to nothing in this file", None, ""),
        (b'{"allOf": [{}], "$ref": "#/allOf/x"}', "refers to nothing in this file", None, ""),
        (b'{"maxLength": 3, "$ref": "#/maxLength"}', "refers to nothing in this file", None, ""),
        (b'{"not":' * 64 + b"{}" + b"}" * 64, "nested more than 64 levels deep", None, ""),
        (b'{"$ref": "https://example.com/s.json"}', "no other is read", None, ""),
        (b'{"$ref": "file:///etc/passwd"}', "no other is read", None, ""),
    ],
)
def test_what_is_no_schema_is_refused_with_its_place(
    content: bytes, says: str, line: int | None, path: str
) -> None:
    with pytest.raises(NotASchema) as refused:
        AnswerSchema.parse(content)
    assert says in str(refused.value)
    assert (refused.value.line, refused.value.path) == (line, path)


def test_a_schema_that_refers_to_itself_without_end_allows_nothing() -> None:
    assert "without end" in schema({"$ref": "#"}).problem("3")


def test_anchors_ids_and_older_dialects_are_followed_within_the_file() -> None:
    anchored = {"$id": "https://example.com/s", "$ref": "#n", "$defs": {"n": {"$anchor": "n"}}}
    anchored["$defs"]["n"]["type"] = "integer"  # type: ignore[index]
    assert schema(anchored).problem("3") == ""
    assert schema(anchored).problem('"3"')
    old = {"$schema": "http://json-schema.org/draft-04/schema#", "minimum": 3}
    assert schema(old | {"exclusiveMinimum": True}).problem("3")


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
)
_RULES = st.sampled_from(
    [
        {"multipleOf": 0.01}, {"multipleOf": 7}, {"uniqueItems": True}, {"pattern": "^a+$"},
        {"minimum": 1e300}, {"contains": {"type": "null"}}, {"propertyNames": {"maxLength": 3}},
        {"not": {}}, {"format": "date"}, TICKET,
    ]
)  # fmt: skip


_ANSWERS = st.text() | _JSON.map(json.dumps)


@pytest.mark.slow
@given(_RULES, _ANSWERS | _ANSWERS.map(lambda answer: f"```\n{answer}\n```"))
def test_no_answer_makes_the_check_fail(rule: dict[str, object], answer: str) -> None:
    assert isinstance(schema(rule).problem(answer), str)


@pytest.mark.parametrize("number", ["1e999", "1" * 400])
def test_a_number_that_no_schema_can_check_is_no_crash(number: str) -> None:
    schema = AnswerSchema.parse(b'{"properties": {"p": {"multipleOf": 0.01}}}')
    assert schema.problem(f'{{"p": {number}}}')


@pytest.mark.parametrize(
    ("content", "answer"),
    [
        # The properties are taken for a schema, of whose `type` no dialect says anything.
        (b'{"properties": {"type": {"type": "null"}, "a": {"$ref": "#/properties"}}}', '{"a": 1}'),
        (b'{"multipleOf": 1e999}', "1e999"),
    ],
)
def test_a_schema_that_cannot_be_applied_is_no_crash(content: bytes, answer: str) -> None:
    assert "cannot be applied" in AnswerSchema.parse(content).problem(answer)


def test_what_is_wrong_is_short_however_long_a_key_the_answer_has() -> None:
    """It stands in the verdict and its mail, and an answer has up to 4,096 tokens."""
    schema = AnswerSchema.parse(b'{"additionalProperties": {"type": "string"}}')
    problem = schema.problem(json.dumps({"k" * 20_000: 1}))
    assert problem.endswith("1 is not of type 'string'")
    assert len(problem) < 500


def test_a_pattern_that_tries_too_many_ways_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 32 letters this one takes an hour, and a function, its retries and the run with it."""
    monkeypatch.setattr(answer_schema, "_SECONDS", 0.05)
    monkeypatch.setattr(answer_schema, "_MOST_SLOW", 2)
    held = schema({"type": "string", "pattern": "^(a+)+$"})
    slow = json.dumps("a" * 32 + "!")
    assert held.problem('"aaa"') == ""
    assert "takes too long" in held.problem(slow)
    assert held.problem('"aaa"') == "", "one answer says nothing of the next"
    assert "takes too long" in held.problem(slow)
    assert "takes too long" in held.problem('"aaa"'), "but many say it of all"
