"""The service's own validation of a dataset before training; independent of `lambdas/`."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from local.bedrock.catalogue import ModelSpec
from local.bedrock.customization.language_model import TrainingPair


class DatasetRefused(Exception):
    """The job fails with this message."""


def read_pairs(body: bytes, model: ModelSpec, what: str, most: int) -> list[TrainingPair]:
    """Parse a JSONL file in the model's format."""
    pairs = []
    for number, line in enumerate(body.decode("utf-8", "strict").split("\n"), 1):
        if line.strip():
            pairs.append(_pair(line, model, f"{what} data line {number}"))
    if len(pairs) > most:
        raise DatasetRefused(f"{what} data has {len(pairs)} records, at most {most} are allowed")
    return pairs


def _pair(line: str, model: ModelSpec, where: str) -> TrainingPair:
    read = _of_prompt if model.record_format == "prompt-completion" else _of_messages
    try:
        roles, texts, system = read(json.loads(line), model)
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise DatasetRefused(f"{where} is not in the format of {model.name}: {error!r}") from None
    if roles != ["user", "assistant"] * (len(roles) // 2) or not roles:
        raise DatasetRefused(f"{where}: roles must alternate from user to assistant")
    if not all(text.strip() for text in texts):
        raise DatasetRefused(f"{where}: a message is empty")
    for word in model.refused_words:
        if any(word in text for text in (system, *texts[::2])):
            raise DatasetRefused(f"{where}: {word} is reserved by {model.name}")
    *before, prompt, completion = texts
    return TrainingPair(prompt, completion, system, "\n".join(before))


def _of_prompt(record: dict[str, Any], _: ModelSpec) -> tuple[list[str], list[str], str]:
    texts = [_string(record["prompt"]), _string(record["completion"])]
    return ["user", "assistant"], texts, ""


def _of_messages(record: dict[str, Any], model: ModelSpec) -> tuple[list[str], list[str], str]:
    text = partial(_blocks, model) if model.record_format == "converse" else _string
    messages = record["messages"]
    system = text(record["system"]) if "system" in record else ""
    return [turn["role"] for turn in messages], [text(turn["content"]) for turn in messages], system


def _blocks(model: ModelSpec, content: Any) -> str:  # noqa: ANN401  # JSON of any shape
    blocks = [block for block in content if not (model.trains_on_reasoning and _is_thought(block))]
    return "\n".join(str(block["text"]) for block in blocks)


def _is_thought(block: Any) -> bool:  # noqa: ANN401  # same
    return bool(block.get("reasoningContent", {}).get("reasoningText", {}).get("text"))


def _string(content: Any) -> str:  # noqa: ANN401  # same
    if not isinstance(content, str):
        raise TypeError("content must be a string")
    return content
