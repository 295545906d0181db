"""Conversations, independent of the record format, and where and how each format writes them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from lambdas.domain.models.model import RecordFormat

FileKind = Literal["training", "validation", "evaluation", "general"]
FILE_KINDS: tuple[FileKind, ...] = get_args(FileKind)
ASKED: tuple[FileKind, ...] = ("evaluation", "general")  # of questions, which nothing trains on
Role = Literal["user", "assistant"]
ROLES: tuple[Role, Role] = ("user", "assistant")
SCHEMA_VERSION = "bedrock-conversation-2024"
PAIR_KEYS = ("prompt", "completion")  # in the order of `ROLES`
MIN_MESSAGES = 2


@dataclass(frozen=True)
class Turn:
    role: Role
    text: str
    reasoning: str | None = None  # before an answer, for models that are trained on it


@dataclass(frozen=True)
class Conversation:
    """A training or validation record of any format."""

    system: str | None
    turns: tuple[Turn, ...]
    fields: tuple[str, ...] = field(default=(), compare=False)  # of its turns; empty: messages

    def field_of(self, at: int) -> str:
        """Return the path of a turn's text in its record."""
        return self.fields[at] if self.fields else f"messages[{at}].content"

    @property
    def prompt(self) -> str:
        """The texts of all turns but the last."""
        return "\n".join(turn.text for turn in self.turns[:-1])

    @property
    def answer(self) -> str:
        """The assistant's last text; empty if there is none."""
        spoken = (turn.text for turn in reversed(self.turns) if turn.role == "assistant")
        return next(spoken, "")

    @property
    def texts(self) -> tuple[str, ...]:
        return (self.system or "", *(turn.text for turn in self.turns))


@dataclass(frozen=True)
class EvaluationExample:
    """An evaluation record; the question is the last turn of the user."""

    id: str
    question: str
    reference_answer: str
    topic: str | None = None
    history: tuple[Turn, ...] = ()  # of user and assistant by turns, the assistant's last

    @property
    def conversation(self) -> Conversation:
        """Question and reference answer, the history being part of the question."""
        asked = "\n".join(turn.text for turn in self.asked)
        turns = Turn("user", asked), Turn("assistant", self.reference_answer)
        return Conversation(None, turns, ("question", "reference_answer"))

    @property
    def asked(self) -> tuple[Turn, ...]:
        """What a model is asked with."""
        return (*self.history, Turn("user", self.question))


def general_id(identity: str) -> str:
    """Return by what answers and results know a general question: evaluation has ids of its own."""
    return f"general/{identity}"


def make_record(
    record_format: RecordFormat, system: str | None, question: str, answer: str
) -> dict[str, Any]:
    """Write one question and its answer as a training record."""
    turns = (Turn("user", question), Turn("assistant", answer))
    return make_conversation(record_format, Conversation(system, turns))


def make_conversation(record_format: RecordFormat, conversation: Conversation) -> dict[str, Any]:
    """Write a conversation as a training record.

    `prompt-completion` has one prompt and no system prompt: the prompt is the system prompt and all
    turns but the last, which is the completion.
    """
    system, turns = conversation.system, conversation.turns
    if record_format == "prompt-completion":
        prompt = "\n\n".join(filter(None, (system, conversation.prompt)))
        return {"prompt": prompt, "completion": turns[-1].text}
    if record_format == "claude-messages":
        head = {"system": system} if system else {}
        messages = [{"role": turn.role, "content": turn.text} for turn in turns]
        return {**head, "messages": messages}
    return {
        "schemaVersion": SCHEMA_VERSION,
        **({"system": [{"text": system}]} if system else {}),
        "messages": [{"role": turn.role, "content": _blocks(turn)} for turn in turns],
    }


def _blocks(turn: Turn) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = [{"text": turn.text}]
    if turn.reasoning:
        blocks.insert(0, {"reasoningContent": {"reasoningText": {"text": turn.reasoning}}})
    return blocks
