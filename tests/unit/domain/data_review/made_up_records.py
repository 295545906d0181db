"""Training records, what a judge says of them, and what its tokens cost."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from lambdas.validation import make_record
from tests.factories import dataset
from tests.fakes.bedrock import question_in, tool_reply

GOOD = {"correct": 9, "grounded": 8, "clear": 10, "consistent": 9, "reason": "No flaw."}
BAD = {"correct": 2, "grounded": 8, "clear": 9, "consistent": 9, "reason": "The year is wrong."}
TRAINING = dataset().training.key


def usd(input_tokens: int, output_tokens: int) -> float:
    """Return what nova-pro's tokens cost, as the price book has them."""
    return (input_tokens * 0.0008 + output_tokens * 0.0032) / 1000


def record(question: str, answer: str = "It is so.") -> dict[str, Any]:
    return make_record("claude-messages", "Be brief.", question, answer)


def lines(*records: Mapping[str, Any]) -> bytes:
    return "".join(json.dumps(each) + "\n" for each in records).encode()


def dislikes_bad(request: Mapping[str, Any]) -> dict[str, Any]:
    return tool_reply(BAD if "bad" in question_in(request) else GOOD)


def event(**members: object) -> dict[str, Any]:
    return {
        name: value.model_dump(mode="json") if isinstance(value, BaseModel) else value
        for name, value in members.items()
    }
