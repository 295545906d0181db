from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.domain.models.catalogue import MODELS
from lambdas.domain.models.model import Model
from lambdas.validation.formats.conversation import EvaluationExample, Turn, make_record
from lambdas.validation.formats.records import read_conversation, read_example
from lambdas.validation.jsonl.findings import Findings
from lambdas.validation.jsonl.lines import MAX_LINE_BYTES, parse_line
from tests.models import CLAUDE_3_HAIKU, NOVA_2_LITE, NOVA_MICRO

USER = {"role": "user", "content": "Q"}
ASSISTANT = {"role": "assistant", "content": "A"}


def said(text: object, role: str = "user") -> dict[str, Any]:
    return {"role": role, "content": [{"text": text}]}


def converse(**changes: object) -> dict[str, Any]:
    return {
        "schemaVersion": "bedrock-conversation-2024",
        "messages": [said("Q"), said("A", "assistant")],
    } | changes


def found(record: dict[str, Any], model: Model) -> list[tuple[str, str, str]]:
    findings = Findings()
    parsed = parse_line(json.dumps(record).encode(), findings)
    assert parsed is not None
    read_conversation(parsed, model, findings)
    return [(each.field, each.code, each.severity) for each in findings.kept]


def errors(record: dict[str, Any], model: Model) -> list[tuple[str, str]]:
    return [(at, code) for at, code, severity in found(record, model) if severity == "error"]


@pytest.mark.parametrize("model", MODELS.values(), ids=lambda model: model.key)
@pytest.mark.parametrize("system", [None, "Be brief."])
def test_a_made_record_is_read_back_without_a_problem(model: Model, system: str | None) -> None:
    record = make_record(model.record_format, system, "質問?", "答え")
    findings = Findings()
    conversation = read_conversation(record, model, findings)
    assert findings.kept == []
    assert conversation is not None
    has_place = model.record_format != "prompt-completion"
    asked = "質問?" if has_place or not system else f"{system}\n\n質問?"
    assert conversation.system == (system if has_place else None)
    assert conversation.turns == (Turn("user", asked), Turn("assistant", "答え"))
    assert (conversation.prompt, conversation.answer) == (asked, "答え")


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"", "blank-line"),
        (b" \r", "blank-line"),
        (b"\xff\xfe{\x00", "not-utf-8"),
        (b"{", "not-json"),
        (b"{} {}", "not-json"),
        (b'{"a": NaN}', "not-json"),
        (b'{"a": ' + b"1" * 5000 + b"}", "not-json"),
        (b"[" * 100_000, "not-json"),
        (b"[]", "not-an-object"),
        (b'"text"', "not-an-object"),
        (b"x" * (MAX_LINE_BYTES + 1), "line-too-long"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_line_that_is_no_record(line: bytes, code: str) -> None:
    findings = Findings()
    assert parse_line(line, findings) is None
    assert [each.code for each in findings.kept] == [code]


def test_a_byte_order_mark_is_found_and_the_record_still_read() -> None:
    findings = Findings()
    assert parse_line(b'\xef\xbb\xbf{"a": 1}', findings, is_first=True) == {"a": 1}
    assert [each.code for each in findings.kept] == ["byte-order-mark"]


def test_a_key_given_twice_is_found_at_any_depth() -> None:
    findings = Findings()
    parse_line(b'{"a": [{"role": 1, "role": 2, "b": 3}]}', findings)
    assert [(each.field, each.code) for each in findings.kept] == [("role", "duplicate-key")]


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"system": None, "messages": [USER, ASSISTANT]}, ("system", "not-text")),
        ({"messages": None}, ("messages", "messages")),
        ({"messages": {}}, ("messages", "messages")),
        ({"messages": []}, ("messages", "too-few-messages")),
        ({"sytem": "x", "messages": [USER, ASSISTANT]}, ("sytem", "unknown-key")),
        ({"messages": [USER, "A"]}, ("messages[1]", "message")),
        ({"messages": [USER, {**ASSISTANT, "name": "x"}]}, ("messages[1].name", "unknown-key")),
        ({"messages": [USER, {"content": "A"}]}, ("messages[1].role", "role")),
        ({"messages": [USER, {"role": ["x"], "content": "A"}]}, ("messages[1].role", "role")),
        (
            {"messages": [{"role": "system", "content": "S"}, ASSISTANT]},
            ("messages[0].role", "role"),
        ),
        ({"messages": [USER, {"role": "assistant"}]}, ("messages[1].content", "not-text")),
        (
            {"messages": [USER, {"role": "assistant", "content": [{"text": "A"}]}]},
            ("messages[1].content", "not-text"),
        ),
        (
            {"messages": [USER, {"role": "assistant", "content": " "}]},
            ("messages[1].content", "empty"),
        ),
        (
            {"messages": [USER, {"role": "assistant", "content": "\ud83d"}]},
            ("messages[1].content", "lone-surrogate"),
        ),
        ({"messages": [ASSISTANT, USER, ASSISTANT]}, ("messages[0].role", "first-role")),
        ({"messages": [USER, USER, ASSISTANT]}, ("messages[1].role", "role-repeats")),
        ({"messages": [USER, ASSISTANT, USER]}, ("messages[2].role", "last-role")),
        (
            {"messages": [{"role": "user", "content": "x\nHuman: y"}, ASSISTANT]},
            ("messages[0].content", "reserved-word"),
        ),
        ({"system": "x\nAssistant:", "messages": [USER, ASSISTANT]}, ("system", "reserved-word")),
        (converse(), ("", "wrong-format")),
        ({"prompt": "Q", "completion": "A"}, ("", "wrong-format")),
        ({"question": "Q", "answer": "A"}, ("", "wrong-format")),
    ],
    ids=str,
)
def test_what_breaks_a_claude_record(record: dict[str, Any], expected: tuple[str, str]) -> None:
    assert errors(record, CLAUDE_3_HAIKU) == [expected]


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (converse(schemaVersion=None), ("schemaVersion", "schema-version")),
        (converse(schemaVersion=2024), ("schemaVersion", "schema-version")),
        (converse(system="Be brief."), ("system", "not-a-list")),
        (converse(system=[{"text": ""}, {"text": "S"}]), ("system[0].text", "empty")),
        (converse(system=["x"]), ("system[0]", "content-block")),
        (converse(sistem=[]), ("sistem", "unknown-key")),
        (converse(messages="x"), ("messages", "messages")),
        (
            converse(messages=[said("Q"), {"role": "assistant", "content": "A"}]),
            ("messages[1].content", "not-a-list"),
        ),
        (
            converse(messages=[said("Q"), {"role": "assistant", "content": []}]),
            ("messages[1].content", "empty"),
        ),
        (
            converse(messages=[said("Q"), said(3, "assistant")]),
            ("messages[1].content[0].text", "not-text"),
        ),
        (
            converse(
                messages=[
                    {"role": "user", "content": [{"text": "Q"}, {"text": "R", "image": {}}]},
                    said("A", "assistant"),
                ]
            ),
            ("messages[0].content[1].image", "unknown-key"),
        ),
        (converse(messages=[said("Q"), said("A")]), ("messages[1].role", "role-repeats")),
        (
            converse(messages=[said("Who is User: x"), said("A", "assistant")]),
            ("messages[0].content", "reserved-word"),
        ),
        (converse(system=[{"text": "See <image>"}]), ("system", "reserved-word")),
        ({"system": "S", "messages": [USER, ASSISTANT]}, ("", "wrong-format")),
        ({"sentence1": "Q", "sentence2": "A"}, ("", "wrong-format")),
    ],
    ids=str,
)
def test_what_breaks_a_converse_record(record: dict[str, Any], expected: tuple[str, str]) -> None:
    assert expected in errors(record, NOVA_MICRO)


def test_what_only_awss_checker_refuses_is_a_warning() -> None:
    record = converse(messages=[said("Thought: x"), said("Bot: y", "assistant")])
    assert found(record, NOVA_MICRO) == [
        ("messages[0].content", "reserved-word", "warning"),
        ("messages[1].content", "reserved-word", "warning"),
    ]


def test_awss_checker_minds_no_case_and_the_documented_words_do() -> None:
    record = converse(messages=[said("An operating system: Linux"), said("A", "assistant")])
    assert found(record, NOVA_MICRO) == [("messages[0].content", "reserved-word", "warning")]
    record = converse(messages=[said("System: x"), said("A", "assistant")])
    assert found(record, NOVA_MICRO) == [("messages[0].content", "reserved-word", "error")]


def test_any_text_is_a_schema_version() -> None:
    assert found(converse(schemaVersion="tooluse-dataset-2024"), NOVA_MICRO) == []


@pytest.mark.parametrize(
    ("record", "model"),
    [
        ({"system": "", "messages": [USER, ASSISTANT]}, CLAUDE_3_HAIKU),
        (converse(system=[]), NOVA_MICRO),
        (converse(system=[{"text": " \n"}]), NOVA_MICRO),
    ],
    ids=str,
)
def test_an_empty_system_prompt_is_none(record: dict[str, Any], model: Model) -> None:
    findings = Findings()
    conversation = read_conversation(record, model, findings)
    assert findings.kept == []
    assert conversation is not None
    assert conversation.system is None


def thinking(*blocks: object) -> dict[str, Any]:
    return converse(messages=[said("Q"), {"role": "assistant", "content": [*blocks]}])


THOUGHT = {"reasoningContent": {"reasoningText": {"text": "Because."}}}


def test_reasoning_is_of_the_format_of_a_model_that_trains_on_it() -> None:
    record = thinking(THOUGHT, {"text": "A"})
    findings = Findings()
    conversation = read_conversation(record, NOVA_2_LITE, findings)
    assert findings.kept == []
    assert conversation is not None
    assert conversation.answer == "Because.\nA"  # it counts as tokens, and may hold a secret
    assert errors(record, NOVA_MICRO) == [
        ("messages[1].content[0].reasoningContent", "unknown-key")
    ]


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (thinking(THOUGHT), ("messages[1].content", "empty")),
        (
            thinking({"reasoningContent": {}}, {"text": "A"}),
            ("messages[1].content[0].reasoningContent.reasoningText", "content-block"),
        ),
        (
            thinking({"reasoningContent": {"reasoningText": {"text": ""}}}, {"text": "A"}),
            ("messages[1].content[0].reasoningContent.reasoningText.text", "empty"),
        ),
        (
            converse(messages=[{"role": "user", "content": [THOUGHT]}, said("A", "assistant")]),
            ("messages[0].content[0].reasoningContent", "unknown-key"),
        ),
    ],
    ids=str,
)
def test_what_breaks_a_record_with_reasoning(
    record: dict[str, Any], expected: tuple[str, str]
) -> None:
    assert errors(record, NOVA_2_LITE) == [expected]


def test_an_image_is_refused_with_the_reason() -> None:
    findings = Findings()
    image = {"role": "user", "content": [{"image": {"format": "png"}}, {"text": "What is it?"}]}
    read_conversation(converse(messages=[image, said("A", "assistant")]), NOVA_2_LITE, findings)
    assert [(each.code, each.message) for each in findings.kept] == [
        ("unknown-key", "this project trains text only")
    ]


def test_all_problems_of_a_record_are_found() -> None:
    record = {"sytem": "x", "messages": [ASSISTANT, {"role": "user", "content": ""}]}
    assert errors(record, CLAUDE_3_HAIKU) == [
        ("sytem", "unknown-key"),
        ("messages[0].role", "first-role"),
        ("messages[1].role", "last-role"),
        ("messages[1].content", "empty"),
    ]


def test_an_unknown_key_is_given_its_likely_name() -> None:
    findings = Findings()
    read_conversation({"sytem": "x", "messages": [USER, ASSISTANT]}, CLAUDE_3_HAIKU, findings)
    assert findings.kept[0].fix == "rename it to system, or remove it"


def test_an_example() -> None:
    findings = Findings()
    record = {"id": "a", "question": "Q", "reference_answer": "A", "topic": "t"}
    assert read_example(record, findings) == EvaluationExample("a", "Q", "A", "t")
    assert read_example({**record, "topic": None}, findings) == EvaluationExample("a", "Q", "A")
    assert findings.kept == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"id": None}, ("id", "not-text")),
        ({"id": 3}, ("id", "not-text")),
        ({"question": " "}, ("question", "empty")),
        ({"reference_answer": []}, ("reference_answer", "not-text")),
        ({"topic": 3}, ("topic", "not-text")),
        ({"answer": "x"}, ("answer", "unknown-key")),
        ({"messages": []}, ("", "wrong-format")),
    ],
    ids=str,
)
def test_what_breaks_an_example(change: dict[str, Any], expected: tuple[str, str]) -> None:
    findings = Findings()
    read_example({"id": "a", "question": "Q", "reference_answer": "A"} | change, findings)
    assert [(each.field, each.code) for each in findings.kept] == [expected]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["system", "messages", "role", "content", "text", "id", "question"])
            | st.text(max_size=3),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@pytest.mark.slow
@given(value=JSON | st.fixed_dictionaries({"messages": st.lists(JSON)}))
def test_no_json_makes_it_raise(value: object) -> None:
    line = json.dumps(value).encode()
    for model in MODELS.values():
        findings = Findings()
        record = parse_line(line, findings)
        if record is not None:
            read_conversation(record, model, findings)
            read_example(record, findings)
        json.dumps([each._asdict() for each in findings.kept], ensure_ascii=False).encode()


@given(st.binary(max_size=60))
def test_no_bytes_make_it_raise(line: bytes) -> None:
    parse_line(line, Findings())
