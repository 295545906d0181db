"""What the service itself checks in a dataset before it trains; independent of `lambdas/`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from local.bedrock.models import FoundationModel


@dataclass(frozen=True)
class Pair:
    """What a record teaches: the text of the user's turns, and the assistant's last one."""

    prompt: str
    completion: str
    system: str


class DatasetRefused(Exception):
    """The job fails with this message."""


def read_pairs(body: bytes, model: FoundationModel, what: str, most: int) -> list[Pair]:
    """Parse a JSONL file in the model's format."""
    pairs = []
    for number, line in enumerate(body.decode("utf-8", "strict").split("\n"), 1):
        if line.strip():
            pairs.append(_pair(line, model, f"{what} data line {number}"))
    if len(pairs) > most:
        raise DatasetRefused(f"{what} data has {len(pairs)} records, at most {most} are allowed")
    return pairs


def _pair(line: str, model: FoundationModel, where: str) -> Pair:
    try:
        record = json.loads(line)
        messages = record["messages"]
        roles = [each["role"] for each in messages]
        texts = [_text(each["content"], model) for each in messages]
        system = _text(record["system"], model) if "system" in record else ""
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise DatasetRefused(f"{where} is not in the format of {model.name}: {error!r}") from None
    if roles != ["user", "assistant"] * (len(roles) // 2) or not roles:
        raise DatasetRefused(f"{where}: roles must alternate from user to assistant")
    if not all(text.strip() for text in texts):
        raise DatasetRefused(f"{where}: a message is empty")
    return Pair("\n".join(texts[:-1:2]), texts[-1], system)


def _text(content: Any, model: FoundationModel) -> str:  # noqa: ANN401  # JSON of any shape
    if model.converse_records:
        return "\n".join(str(block["text"]) for block in content)
    if not isinstance(content, str):
        raise TypeError("content must be a string")
    return content
