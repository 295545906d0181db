"""Questions put to a model, and the record that stays of each answer."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Record = dict[str, Any]  # one line of answers-base.jsonl or answers-tuned.jsonl


@dataclass(frozen=True)
class Example:
    """One line of the evaluation file."""

    id: str
    question: str
    reference_answer: str
    topic: str | None = None


@dataclass(frozen=True)
class Reply:
    """What a model said, and the tokens that were counted for it."""

    text: str
    stop_reason: str
    input_tokens: int
    output_tokens: int


def examples_of(lines: Iterable[Mapping[str, Any]]) -> list[Example]:
    """Read the evaluation file, which *Validate dataset* has passed."""
    return [
        Example(
            id=str(line["id"]),
            question=line["question"],
            reference_answer=line["reference_answer"],
            topic=line.get("topic"),
        )
        for line in lines
    ]


def answer_record(example: Example, reply: Reply) -> Record:
    """Record an answer; one that ran into the token limit is marked, an empty one is a failure."""
    if not reply.text.strip():
        return failure_record(example, f"no text in the answer (stop reason {reply.stop_reason})")
    record = _about(example) | {
        "answer": reply.text,
        "input_tokens": reply.input_tokens,
        "output_tokens": reply.output_tokens,
    }
    return record | {"truncated": True} if reply.stop_reason == "max_tokens" else record


def failure_record(example: Example, error: str) -> Record:
    return _about(example) | {"error": error}


def kept_answers(examples: Iterable[Example], earlier: Iterable[Record]) -> dict[str, Record]:
    """Return by id the earlier answers that still fit; failures are asked again."""
    by_id = {each["id"]: each for each in earlier if "answer" in each}
    return {
        each.id: by_id[each.id]
        for each in examples
        if each.id in by_id and by_id[each.id].items() >= _about(each).items()
    }


def totals(records: Iterable[Record]) -> dict[str, int]:
    """Count answers, failures and tokens."""
    records = list(records)
    return {
        "answered": sum("answer" in each for each in records),
        "failed": sum("error" in each for each in records),
        "input_tokens": sum(each.get("input_tokens", 0) for each in records),
        "output_tokens": sum(each.get("output_tokens", 0) for each in records),
    }


def too_many(failed: int, total: int, allowed_percent: float) -> bool:
    """Whether more than `allowed_percent` failed; of nothing at all, everything has failed."""
    return total == 0 or failed * 100 > allowed_percent * total


def failure_summary(errors: Iterable[str], total: int) -> str:
    """Say how many of `total` failed and what the most common reason was."""
    reasons = Counter(errors)
    failed = reasons.total()
    percent = math.ceil(failed * 100 / total) if total else 100
    summary = f"{failed} of {total} ({percent} %) failed"
    if not reasons:
        return summary
    reason, times = reasons.most_common(1)[0]
    return f"{summary}, {times} of them with: {reason}"


def _about(example: Example) -> Record:
    return {
        "id": example.id,
        "question": example.question,
        "reference_answer": example.reference_answer,
        "topic": example.topic,
    }
