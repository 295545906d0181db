"""Training examples that the base model is shown before each question, the same before all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from lambdas.domain.errors import DatasetInvalid
from lambdas.domain.models.model import Model
from lambdas.domain.run.contracts import Run, ShownExamples, ShownTurn
from lambdas.domain.run.execution_input import FEW_SHOT
from lambdas.validation.formats.conversation import Conversation, Turn
from lambdas.validation.formats.records import read_conversation
from lambdas.validation.formats.tokens import estimated_tokens
from lambdas.validation.jsonl.findings import Findings

EXAMPLES = 5
MOST_TOKENS = 1_000  # of an example, an upper estimate: every question pays for all of them
FIRST_RECORDS = 500  # of which they are chosen


def choose_examples(records: Iterable[Mapping[str, Any]], model: Model) -> ShownExamples:
    """Choose evenly spread ones of the first training records that are short enough.

    A record's system prompt is left out, for the questions have their own, and so is what a model
    thinks before its answer. Of fewer short records all are chosen.

    Raises
    ------
    DatasetInvalid
        None is short enough.
    """
    found = [*_short(islice(records, FIRST_RECORDS), model)]
    if not found:
        raise DatasetInvalid(
            f"also_compare has {FEW_SHOT}, and none of the first {FIRST_RECORDS} training records "
            f"has {MOST_TOKENS:,} tokens or fewer, as each question would pay for: leave it out"
        )
    count = min(EXAMPLES, len(found))
    chosen = [found[at * len(found) // count] for at in range(count)]
    turns = [turn for example in chosen for turn in example.turns]
    return ShownExamples(
        examples=count,
        tokens=estimated_tokens([turn.text for turn in turns]),
        turns=tuple(ShownTurn(role=turn.role, text=turn.text) for turn in turns),
    )


def examples_key(run: Run) -> str:
    return f"{run.prefix}/few-shot.json"


def turns_of(shown: ShownExamples) -> tuple[Turn, ...]:
    return tuple(Turn(each.role, each.text) for each in shown.turns)


def _short(records: Iterable[Mapping[str, Any]], model: Model) -> Iterator[Conversation]:
    for record in records:
        example = read_conversation(_without_reasoning(record), model, Findings())
        if example and _tokens(example) <= MOST_TOKENS:
            yield example


def _tokens(example: Conversation) -> int:
    return estimated_tokens([turn.text for turn in example.turns])


def _without_reasoning(record: Mapping[str, Any]) -> dict[str, Any]:
    messages = [
        {**message, "content": _spoken(message["content"])}
        for message in record.get("messages", ())
    ]
    return {**record, **({"messages": messages} if messages else {})}


def _spoken(content: str | Sequence[Mapping[str, Any]]) -> object:
    if isinstance(content, str):
        return content
    return [block for block in content if "reasoningContent" not in block]
