"""InvokeModel's bodies: each family's own format, read into Converse's request and back.

Sources, read 2026-11-29: Bedrock user guide, model-parameters-anthropic-claude-messages.html and
model-parameters-meta.html; Nova's user guide, using-invoke-api.html. The words for what is wrong
with a body: https://github.com/langgenius/dify/pull/3326 and
https://github.com/ziya-ai/ziya/issues/24. Families whose service answers in other words are refused
in these, and content that is no text is not read here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import jsonschema

from local.bedrock.protocol import ValidationError, without_nulls

Json = dict[str, Any]
_LLAMA_TURN = re.compile(
    r"<\|start_header_id\|>(\w+)<\|end_header_id\|>\s*(.*?)\s*(?:<\|eot_id\|>|\Z)", re.DOTALL
)
_TYPES = {
    "object": "JSONObject", "array": "JSONArray", "string": "String", "integer": "Integer",
    "number": "Number",
}  # fmt: skip
_FOUND: Mapping[type, str] = {
    dict: "JSONObject", list: "JSONArray", str: "String", bool: "Boolean", int: "Integer",
    float: "Double", type(None): "Null",
}  # fmt: skip
_TEXT = {"type": "string"}
_SHARE = {"type": "number", "minimum": 0, "maximum": 1}
_COUNT = {"type": "integer", "minimum": 1}
_TEXTS = {"type": "array", "items": _TEXT}


def _object(required: tuple[str, ...] = (), *, closed: bool = True, **members: Json) -> Json:
    schema = {"type": "object", "properties": members, "required": [*required]}
    return {**schema, "additionalProperties": False} if closed else schema


def _list(item: Json) -> Json:
    return {"type": "array", "items": item, "minItems": 1}


_ROLE = {"enum": ["user", "assistant"]}
_BLOCK = _object(("text",), closed=False, text=_TEXT)
_CLAUDE = _object(
    ("anthropic_version", "max_tokens", "messages"),
    anthropic_version={"enum": ["bedrock-2023-05-31"]},
    anthropic_beta=_TEXTS,
    max_tokens=_COUNT,
    messages=_list(_object(("role", "content"), role=_ROLE, content={})),
    system={},
    temperature=_SHARE,
    top_p=_SHARE,
    top_k={"type": "integer", "minimum": 0},
    stop_sequences=_TEXTS,
)
_NOVA = _object(
    ("messages",),
    schemaVersion=_TEXT,
    messages=_list(_object(("role", "content"), role=_ROLE, content=_list(_BLOCK))),
    system=_list(_BLOCK),
    inferenceConfig=_object(
        maxTokens=_COUNT,
        max_new_tokens=_COUNT,  # of its first samples
        temperature=_SHARE,
        topP=_SHARE,
        topK={"type": "integer", "minimum": 0},
        stopSequences=_TEXTS,
    ),
    toolConfig={"type": "object"},
)
_LLAMA = _object(("prompt",), prompt=_TEXT, max_gen_len=_COUNT, temperature=_SHARE, top_p=_SHARE)


@dataclass(frozen=True)
class _Family:
    """How a provider's models are asked, and how they answer."""

    schema: Json
    read: Callable[[Json], Json]
    write: Callable[[Json], Json]


def read_body(provider: str, body: bytes) -> Json:
    """Return Converse's request without its model.

    Raises
    ------
    ValidationError
        The body is not what the family takes.
    """
    try:
        given = without_nulls(json.loads(body))
    except ValueError:
        raise ValidationError(
            "Malformed input request, please reformat your input and try again."
        ) from None
    family = _FAMILIES[provider]
    problems = [*_problems(family.schema, given)]
    if problems:
        raise _malformed("".join(problems))
    return family.read(given)


def write_body(provider: str, answer: Json) -> bytes:
    """Return Converse's answer as the family words it."""
    return json.dumps(_FAMILIES[provider].write(answer)).encode()


def _malformed(what: str) -> ValidationError:
    return ValidationError(
        f"Malformed input request: {what}, please reformat your input and try again."
    )


def _problems(schema: Json, given: Any) -> Iterator[str]:  # noqa: ANN401  # any JSON
    for error in jsonschema.Draft202012Validator(schema).iter_errors(given):
        where = "/".join(["#", *map(str, error.absolute_path)])
        if error.validator == "required":
            missing = next(name for name in error.validator_value if name not in error.instance)
            yield f"{where}: required key [{missing}] not found"
        elif error.validator == "additionalProperties":
            extra = sorted(set(error.instance) - set(error.schema["properties"]))
            yield from (f"{where}: extraneous key [{name}] is not permitted" for name in extra)
        elif error.validator == "type":
            expected, found = _TYPES[error.validator_value], _FOUND[type(error.instance)]
            yield f"{where}: expected type: {expected}, found: {found}"
        else:
            yield f"{where}: {_of_value(error)}"


def _of_value(error: jsonschema.ValidationError) -> str:
    if error.validator == "minItems":
        return "expected minimum item count: 1, found: 0"
    if error.validator == "enum":
        return f"{error.instance} is not a valid enum value"
    bound = "greater" if error.validator == "minimum" else "less"
    return f"{error.instance} is not {bound} or equal to {error.validator_value}"


def _blocks(content: Any, where: str) -> list[Json]:  # noqa: ANN401  # text, or blocks
    if isinstance(content, str):
        return [{"text": content}]
    blocks = content if isinstance(content, list) else [content]
    for at, block in enumerate(blocks):
        if not isinstance(block, dict) or not isinstance(block.get("text"), str):
            raise _malformed(f"#/{where}/{at}: only text is read here")
    return [{"text": block["text"]} for block in blocks]


def _read_claude(body: Json) -> Json:
    messages = [
        {"role": turn["role"], "content": _blocks(turn["content"], f"messages/{at}/content")}
        for at, turn in enumerate(body["messages"])
    ]
    config = {"maxTokens": body["max_tokens"], "stopSequences": body.get("stop_sequences", [])}
    system = _blocks(body["system"], "system") if body.get("system") else []
    return {"messages": messages, "system": system, "inferenceConfig": config}


def _write_claude(answer: Json) -> Json:
    content = answer["output"]["message"]["content"]
    usage = answer["usage"]
    return {
        "type": "message",
        "role": "assistant",
        "content": [{"type": "text", **block} for block in content],
        "stop_reason": answer["stopReason"],
        "stop_sequence": None,
        "usage": {"input_tokens": usage["inputTokens"], "output_tokens": usage["outputTokens"]},
    }


def _read_nova(body: Json) -> Json:
    config = body.get("inferenceConfig", {})
    limit = config.get("maxTokens", config.get("max_new_tokens"))
    kept = {"stopSequences": config.get("stopSequences", [])}
    given: Json = {
        name: body[name] for name in ("messages", "system", "toolConfig") if name in body
    }
    return {**given, "inferenceConfig": {**kept, "maxTokens": limit} if limit else kept}


def _write_nova(answer: Json) -> Json:
    return {name: answer[name] for name in ("output", "stopReason", "usage")}


def _read_llama(body: Json) -> Json:
    turns = _LLAMA_TURN.findall(body["prompt"]) or [("user", body["prompt"])]
    spoken = [(role, text) for role, text in turns if text]
    return {
        "messages": [
            {"role": role, "content": [{"text": text}]} for role, text in spoken if role != "system"
        ],
        "system": [{"text": text} for role, text in spoken if role == "system"],
        "inferenceConfig": {"maxTokens": body.get("max_gen_len", 512)},
    }


def _write_llama(answer: Json) -> Json:
    content, usage = answer["output"]["message"]["content"], answer["usage"]
    return {
        "generation": "".join(block["text"] for block in content),
        "prompt_token_count": usage["inputTokens"],
        "generation_token_count": usage["outputTokens"],
        "stop_reason": "length" if answer["stopReason"] == "max_tokens" else "stop",
    }


_FAMILIES: Mapping[str, _Family] = {
    "Anthropic": _Family(_CLAUDE, _read_claude, _write_claude),
    "Amazon": _Family(_NOVA, _read_nova, _write_nova),
    "Meta": _Family(_LLAMA, _read_llama, _write_llama),
}
