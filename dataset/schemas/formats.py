"""The formats as JSON Schema 2020-12."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from dataset.schemas.invisible import INVISIBLE
from lambdas.validation.formats.conversation import SCHEMA_VERSION
from lambdas.validation.formats.records import MAX_ID_CHARACTERS

# A schema cannot say that roles alternate: their order is written out up to here.
MOST_ORDERED_MESSAGES = 64
# The codes of findings that a schema makes too.
_STRUCTURAL = """content-block empty first-role id-too-long last-role lone-surrogate message
messages not-a-list not-an-object not-text role role-repeats schema-version too-few-messages
unknown-key wrong-format"""
STRUCTURAL = frozenset(_STRUCTURAL.split())
Schema = dict[str, Any]


def _ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def _object(properties: Mapping[str, Schema], *, optional: tuple[str, ...] = ()) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
    }


def _named(schema: Schema, title: str, description: str) -> Schema:
    return {"title": title, "description": description, **schema}


def _message(content: Schema, title: str, role: str) -> Schema:
    properties = {
        "role": _named({"const": role}, "Role", "Who speaks."),
        "content": _named(content, "Content", "What is said."),
    }
    return {"title": title, **_object(properties)}


def _roles(question: Schema, answer: Schema) -> dict[str, Schema]:
    return {
        "user": _message(question, "Question", "user"),
        "assistant": _message(answer, "Answer", "assistant"),
        "either": {"title": "Message", "anyOf": [_ref("user"), _ref("assistant")]},
    }


def _answered(questions: int) -> Schema:
    """Require an answer to the last question, if there are this many."""
    return {"if": {"minItems": 2 * questions - 1}, "then": {"minItems": 2 * questions}}


def _messages(description: str) -> Schema:
    return {
        "title": "Messages",
        "description": f"{description} User and assistant alternate; the user begins and the "
        f"assistant ends. The order is checked in the first {MOST_ORDERED_MESSAGES} messages.",
        "type": "array",
        "minItems": 2,
        "prefixItems": [_ref("user"), _ref("assistant")] * (MOST_ORDERED_MESSAGES // 2),
        "items": _ref("either"),
        "allOf": [_answered(questions) for questions in range(2, MOST_ORDERED_MESSAGES // 2 + 1)],
    }


_TEXT = {
    "title": "Text",
    "description": "At least one character can be seen; no half of a surrogate pair.",
    "type": "string",
    "pattern": f"[^{INVISIBLE}]",
    "not": {"pattern": "[\\ud800-\\udfff]"},
}
_BLANK_TEXT = {"type": "string", "pattern": f"^[{INVISIBLE}]*$"}
_BLANK_BLOCKS = {"type": "array", "items": _object({"text": _BLANK_TEXT})}
_BLOCK = {"title": "Block", **_object({"text": _named(_ref("text"), "Text", "What is said.")})}
_BLOCKS = {
    "title": "Content blocks",
    "description": "Text only; this project does not train on images and videos.",
    "type": "array",
    "items": _BLOCK,
    "minItems": 1,
}
_THOUGHT = _object({"text": _named(_ref("text"), "Reasoning", "What leads to the answer.")})
_REASONING = _object({"reasoningContent": _object({"reasoningText": _THOUGHT})})
_ANSWER_BLOCKS = {
    "title": "Content blocks of an answer",
    "description": "Text, and the reasoning before it, which the model is trained on too.",
    "type": "array",
    "items": {"title": "Block", "anyOf": [_BLOCK, _REASONING]},
    "contains": {"required": ["text"]},
}
_CONTENTS = {"text": _TEXT, "blocks": _BLOCKS, "answer": _ANSWER_BLOCKS}
_VERSION = {
    "title": "Version of the format",
    "description": f"Any text; AWS's examples have {SCHEMA_VERSION}.",
    "type": "string",
    "default": SCHEMA_VERSION,
    "examples": [SCHEMA_VERSION],
}


def _schema(title: str, description: str, record: Schema, definitions: Schema) -> Schema:
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        "description": description,
        **record,
        "$defs": definitions,
    }


def _conversation(
    name: str, models: str, parts: Mapping[str, Schema], contents: tuple[str, str], blank: Schema
) -> Schema:
    """Return the schema of a format with messages, a question's and an answer's of these contents.

    `parts` are what stands before the messages, and `blank` is a system prompt that is none.
    """
    question, answer = map(_ref, contents)
    what = "What the model is told before the question; an empty one is none."
    system = _named({"anyOf": [question, blank]}, "System prompt", what)
    record = {**parts, "system": system, "messages": _messages("The conversation.")}
    definitions = {name: _CONTENTS[name] for name in ("text", *contents)}
    return _schema(
        f"{name} training record",
        f"One line of a file that fine-tunes {models} on Amazon Bedrock.",
        _object(record, optional=("system",)),
        {**definitions, **_roles(question, answer)},
    )


def _pair() -> Schema:
    record = {
        "prompt": _named(_ref("text"), "Prompt", "What the model is asked."),
        "completion": _named(_ref("text"), "Completion", "What it is to answer."),
    }
    return _schema(
        "Prompt and completion",
        "One line of a file that fine-tunes Llama 3.1 on Amazon Bedrock.",
        _object(record),
        {"text": _TEXT},
    )


def _evaluation() -> Schema:
    text = _ref("text")
    identity = _named(text, "Id", "Names the example; no other in the file has it.")
    topic = {
        "title": "Topic",
        "description": "What results are grouped by.",
        "anyOf": [text, {"type": "null"}],
    }
    what = "What was said before the question, which is the user's last turn."
    history, none = _messages(what), {"type": ["array", "null"], "maxItems": 0}
    record = {
        "id": {**identity, "maxLength": MAX_ID_CHARACTERS},
        "question": _named(text, "Question", "What both models are asked."),
        "reference_answer": _named(text, "Reference answer", "What a judge compares with."),
        "topic": topic,
        "history": _named({"anyOf": [none, history]}, "History", what),
    }
    return _schema(
        "Evaluation example",
        "One line of a file of questions that the tuned model and its base are compared on.",
        _object(record, optional=("topic", "history")),
        {"text": _TEXT, **_roles(text, text)},
    )


def schemas() -> Mapping[str, Schema]:
    """Return each format's schema by the format's name."""
    version = {"schemaVersion": _VERSION}
    models, nova_2 = "Amazon Nova, Llama 3.2 or Llama 3.3", "Amazon Nova 2 Lite"
    text, blocks, answer = ("text", "text"), ("blocks", "blocks"), ("blocks", "answer")
    return {
        "claude-messages": _conversation("Claude", "Claude 3 Haiku", {}, text, _BLANK_TEXT),
        "converse": _conversation("Converse", models, version, blocks, _BLANK_BLOCKS),
        "converse-reasoning": _conversation("Converse", nova_2, version, answer, _BLANK_BLOCKS),
        "prompt-completion": _pair(),
        "evaluation": _evaluation(),
    }


def documents() -> dict[str, str]:
    """Return the text of each schema by its file name."""
    return {
        f"{name}.schema.json": json.dumps(schema, indent=2) + "\n"
        for name, schema in schemas().items()
    }
