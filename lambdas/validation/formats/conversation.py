"""What a record says, whatever its format, and how it is written in each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from lambdas.domain.models.catalogue import RecordFormat

Role = Literal["user", "assistant"]
ROLES: tuple[Role, Role] = ("user", "assistant")
SCHEMA_VERSION = "bedrock-conversation-2024"
PAIR_KEYS = ("prompt", "completion")  # of the roles, in turn
MIN_MESSAGES = 2


@dataclass(frozen=True)
class Turn:
    role: Role
    text: str


@dataclass(frozen=True)
class Conversation:
    """A training record, whatever its format."""

    system: str | None
    turns: tuple[Turn, ...]

    @property
    def prompt(self) -> str:
        """All that was said before the last answer."""
        return "\n".join(turn.text for turn in self.turns[:-1])

    @property
    def answer(self) -> str:
        """What the assistant said last; empty where it never spoke."""
        spoken = (turn.text for turn in reversed(self.turns) if turn.role == "assistant")
        return next(spoken, "")

    @property
    def texts(self) -> tuple[str, ...]:
        return (self.system or "", *(turn.text for turn in self.turns))


@dataclass(frozen=True)
class Example:
    """An evaluation record."""

    id: str
    question: str
    reference_answer: str
    topic: str | None = None

    @property
    def conversation(self) -> Conversation:
        return Conversation(
            None, (Turn("user", self.question), Turn("assistant", self.reference_answer))
        )


def make_record(
    record_format: RecordFormat, system: str | None, question: str, answer: str
) -> dict[str, Any]:
    """Write one question and its answer as a training record."""
    turns = (Turn("user", question), Turn("assistant", answer))
    return make_conversation(record_format, Conversation(system, turns))


def make_conversation(record_format: RecordFormat, said: Conversation) -> dict[str, Any]:
    """Write a conversation as a training record.

    `prompt-completion` has no place for a system prompt: there, it opens the prompt. And it knows
    one prompt only: the last turn is the completion, and all before it the prompt.
    """
    if record_format == "prompt-completion":
        prompt = f"{said.system}\n\n{said.prompt}" if said.system else said.prompt
        return {"prompt": prompt, "completion": said.turns[-1].text}
    if record_format == "claude-messages":
        head = {"system": said.system} if said.system else {}
        messages = [{"role": each.role, "content": each.text} for each in said.turns]
        return {**head, "messages": messages}
    return {
        "schemaVersion": SCHEMA_VERSION,
        **({"system": [{"text": said.system}]} if said.system else {}),
        "messages": [{"role": each.role, "content": [{"text": each.text}]} for each in said.turns],
    }
