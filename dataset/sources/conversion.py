"""Converts entries of a source to records of a model's format, or to evaluation examples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from dataset.sources.conversations import Entry, refuse
from lambdas.domain.models.model import Model
from lambdas.validation import Conversation, Turn
from lambdas.validation.formats.conversation import make_conversation

SYSTEM_PROMPT = (
    "You answer questions precisely. Give a correct answer in a few sentences, keep to what was "
    "asked, and leave out what you are not sure of."
)
_SPEAKERS = {"user": "User", "assistant": "Assistant"}


@dataclass(frozen=True)
class Style:
    """How records are to be written."""

    # For records without one; None: SYSTEM_PROMPT in pairs if the format has a field for it, and
    # nothing in conversations.
    system_prompt: str | None = None
    no_system_prompt: bool = False  # not even the records' own
    flatten: bool = False  # several turns as one prompt, if the format has a single prompt


def to_records(entries: Sequence[Entry], model: Model, style: Style) -> list[dict[str, Any]]:
    """Write training or validation records.

    Raises
    ------
    SourceInvalid
        A conversation has more turns than the format can hold, and is not to be flattened.
    """
    single = model.record_format == "prompt-completion"
    if single and not style.flatten:
        because = f"{model.name} is trained on one prompt and its completion"
        refuse(_too_long(entries, because))
    systems = [_system_prompt(entry, model, style) for entry in entries]
    return [
        make_conversation(model.record_format, Conversation(system, _turns(entry, single=single)))
        for entry, system in zip(entries, systems, strict=True)
    ]


def to_examples(entries: Sequence[Entry], style: Style) -> list[dict[str, str]]:
    """Write evaluation examples; those without an id get one.

    Raises
    ------
    SourceInvalid
        A conversation has several turns, and is not to be flattened.
    """
    if not style.flatten:
        refuse(_too_long(entries, "an evaluation example is one question and its answer"))
    return [_example(number, entry) for number, entry in enumerate(entries, start=1)]


def system_prompts_in_prompts(entries: Sequence[Entry], model: Model, style: Style) -> int:
    """Count the records whose system prompt is in the prompt, as the format has no field for it."""
    if model.record_format != "prompt-completion":
        return 0
    return sum(bool(_system_prompt(entry, model, style)) for entry in entries)


def _too_long(entries: Sequence[Entry], because: str) -> Iterator[tuple[str, str]]:
    for entry in entries:
        if not entry.is_pair:
            turns = len(entry.conversation.turns)
            instead = "drop the record, or write earlier turns into the prompt with --flatten"
            yield entry.location, f"{turns} turns, but {because}: {instead}"


def _system_prompt(entry: Entry, model: Model, style: Style) -> str | None:
    if style.no_system_prompt:
        return None
    has_field = model.record_format != "prompt-completion"
    usual = SYSTEM_PROMPT if entry.by_keys and has_field else None
    return entry.conversation.system or style.system_prompt or usual


def _turns(entry: Entry, *, single: bool) -> tuple[Turn, ...]:
    turns = entry.conversation.turns
    if entry.is_pair or not single:
        return turns
    said = "\n\n".join(f"{_SPEAKERS[turn.role]}: {turn.text}" for turn in turns[:-1])
    return Turn("user", said), turns[-1]


def _example(number: int, entry: Entry) -> dict[str, str]:
    question, answer = _turns(entry, single=True)
    return {
        "id": entry.id or f"evaluation-{number:03}",
        "question": question.text,
        "reference_answer": answer.text,
        **({"topic": entry.topic} if entry.topic else {}),
    }
