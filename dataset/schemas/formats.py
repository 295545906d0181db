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
_TEXT = {"$ref": "#/$defs/text"}
_BLOCKS = {"$ref": "#/$defs/blocks"}


def schemas() -> Mapping[str, Schema]:
    """Return each format's schema by the format's name."""
    return {
        "claude-messages": _claude(),
        "converse": _converse(),
        "converse-reasoning": _converse(with_reasoning=True),
        "prompt-completion": _pair(),
        "evaluation": _evaluation(),
    }


def documents() -> dict[str, str]:
    """Return the text of each schema by its file name."""
    return {
        f"{name}.schema.json": json.dumps(schema, indent=2) + "\n"
        for name, schema in schemas().items()
    }


def _claude() -> Schema:
    return _schema(
        "Claude training record",
        "One line of a file that fine-tunes Claude 3 Haiku on Amazon Bedrock.",
        {
            "system": _system(_TEXT, _blank_text()),
            "messages": _messages("The conversation."),
        },
        required=["messages"],
        definitions={"text": _text(), **_roles(_TEXT, _TEXT)},
    )


def _converse(*, with_reasoning: bool = False) -> Schema:
    models = "Amazon Nova, Llama 3.2 or Llama 3.3"
    answer, definitions = _BLOCKS, {"text": _text(), "blocks": _blocks()}
    if with_reasoning:
        models = "Amazon Nova 2 Lite"
        answer, definitions["answer"] = {"$ref": "#/$defs/answer"}, _answer_blocks()
    version = {
        "title": "Version of the format",
        "description": f"Any text; AWS's examples have {SCHEMA_VERSION}.",
        "type": "string",
        "default": SCHEMA_VERSION,
        "examples": [SCHEMA_VERSION],
    }
    return _schema(
        "Converse training record",
        f"One line of a file that fine-tunes {models} on Amazon Bedrock.",
        {
            "schemaVersion": version,
            "system": _system(_BLOCKS, _blank_blocks()),
            "messages": _messages("The conversation."),
        },
        required=["schemaVersion", "messages"],
        definitions={**definitions, **_roles(_BLOCKS, answer)},
    )


def _pair() -> Schema:
    return _schema(
        "Prompt and completion",
        "One line of a file that fine-tunes Llama 3.1 on Amazon Bedrock.",
        {
            "prompt": _named(_TEXT, "Prompt", "What the model is asked."),
            "completion": _named(_TEXT, "Completion", "What it is to answer."),
        },
        required=["prompt", "completion"],
        definitions={"text": _text()},
    )


def _evaluation() -> Schema:
    identity = _named(_TEXT, "Id", "Names the example; no other in the file has it.")
    topic = {
        "title": "Topic",
        "description": "What results are grouped by.",
        "anyOf": [_TEXT, {"type": "null"}],
    }
    what = "What was said before the question, which is the user's last turn."
    history, none = _messages(what), {"type": ["array", "null"], "maxItems": 0}
    return _schema(
        "Evaluation example",
        "One line of a file of questions that the tuned model and its base are compared on.",
        {
            "id": {**identity, "maxLength": MAX_ID_CHARACTERS},
            "question": _named(_TEXT, "Question", "What both models are asked."),
            "reference_answer": _named(_TEXT, "Reference answer", "What a judge compares with."),
            "topic": topic,
            "history": _named({"anyOf": [none, history]}, "History", what),
        },
        required=["id", "question", "reference_answer"],
        definitions={"text": _text(), **_roles(_TEXT, _TEXT)},
    )


def _schema(
    title: str,
    description: str,
    properties: Mapping[str, Schema],
    *,
    required: list[str],
    definitions: Mapping[str, Schema],
) -> Schema:
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        "description": description,
        **_object(properties, required),
        "$defs": definitions,
    }


def _object(properties: Mapping[str, Schema], required: list[str]) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _system(prompt: Schema, blank: Schema) -> Schema:
    what = "What the model is told before the question; an empty one is none."
    return _named({"anyOf": [prompt, blank]}, "System prompt", what)


def _named(schema: Schema, title: str, description: str) -> Schema:
    return {"title": title, "description": description, **schema}


def _text() -> Schema:
    return {
        "title": "Text",
        "description": "At least one character can be seen; no half of a surrogate pair.",
        "type": "string",
        "pattern": f"[^{INVISIBLE}]",
        "not": {"pattern": "[\\ud800-\\udfff]"},
    }


def _blank_text() -> Schema:
    return {"type": "string", "pattern": f"^[{INVISIBLE}]*$"}


def _blank_blocks() -> Schema:
    return {"type": "array", "items": _object({"text": _blank_text()}, ["text"])}


def _blocks() -> Schema:
    return {
        "title": "Content blocks",
        "description": "Text only; this project does not train on images and videos.",
        "type": "array",
        "items": _block(),
        "minItems": 1,
    }


def _block() -> Schema:
    text = _named(_TEXT, "Text", "What is said.")
    return {"title": "Block", **_object({"text": text}, ["text"])}


def _answer_blocks() -> Schema:
    thought = _object({"text": _named(_TEXT, "Reasoning", "What leads to the answer.")}, ["text"])
    reasoning = _object({"reasoningText": thought}, ["reasoningText"])
    block = _object({"reasoningContent": reasoning}, ["reasoningContent"])
    return {
        "title": "Content blocks of an answer",
        "description": "Text, and the reasoning before it, which the model is trained on too.",
        "type": "array",
        "items": {"title": "Block", "anyOf": [_block(), block]},
        "contains": {"required": ["text"]},
    }


def _roles(question: Schema, answer: Schema) -> dict[str, Schema]:
    either = {
        "title": "Message",
        "anyOf": [{"$ref": "#/$defs/user"}, {"$ref": "#/$defs/assistant"}],
    }
    return {
        "user": _message(question, "Question", {"const": "user"}),
        "assistant": _message(answer, "Answer", {"const": "assistant"}),
        "either": either,
    }


def _message(content: Schema, title: str, role: Schema) -> Schema:
    properties = {
        "role": _named(role, "Role", "Who speaks."),
        "content": _named(content, "Content", "What is said."),
    }
    return {"title": title, **_object(properties, ["role", "content"])}


def _messages(description: str) -> Schema:
    pair = [{"$ref": "#/$defs/user"}, {"$ref": "#/$defs/assistant"}]
    return {
        "title": "Messages",
        "description": f"{description} User and assistant alternate; the user begins and the "
        f"assistant ends. The order is checked in the first {MOST_ORDERED_MESSAGES} messages.",
        "type": "array",
        "minItems": 2,
        "prefixItems": pair * (MOST_ORDERED_MESSAGES // 2),
        "items": {"$ref": "#/$defs/either"},
        "allOf": [_answered(questions) for questions in range(2, MOST_ORDERED_MESSAGES // 2 + 1)],
    }


def _answered(questions: int) -> Schema:
    """Require an answer to the last question, if there are this many."""
    return {"if": {"minItems": 2 * questions - 1}, "then": {"minItems": 2 * questions}}
