"""How a judge scores: the tool that it must call, its criteria, and how its answer is read."""

from __future__ import annotations

import json
import re
import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from lambdas.validation.formats.tokens import estimated_tokens
from lambdas.validation.formats.visible import without_invisible

LOWEST_SCORE, HIGHEST_SCORE = 1, 10
_FENCE_DIGITS = 8
_TOLD_CHARACTERS = 200  # of what was wrong
_NO_REASON = "The judge gave no reason."
MAX_TOKENS = 500  # a few scores and a reason of a few sentences
OUTPUT_TOKENS = (60, 150)  # low, expected: of one assessment
# Low, expected: token counts are upper estimates, of which prose has about two thirds.
PROSE_SHARES = (0.6, 0.7)
# What providers add to a request that forces a tool; Anthropic counts 340 tokens for Claude 3 Haiku
# (https://docs.anthropic.com/en/docs/tool-use-pricing-and-tokens, read 2026-11-23): twice that.
_FORCED_TOOL_TOKENS = 700
# Requests about one thing that may be paid for: one more where an answer is lost on its way, or
# where a judge leaves the schema.
ATTEMPTS = 2


_WRITTEN_SCORE = re.compile(r"\s*([0-9]{1,2})(?:\.0+)?\s*(?:/\s*10)?\s*")


class OutOfSchema(ValueError):
    """The judge's tool input is not what the schema asks for."""


@dataclass(frozen=True)
class ToolCall:
    """A model's answer where it must call a tool; `tool_input` is None if it did not call it."""

    stop_reason: str
    tool_input: object
    input_tokens: int
    output_tokens: int


CallTool = Callable[[str], ToolCall]  # of a user message; the model and the tool are settled


@dataclass(frozen=True)
class Tool(ABC):
    """What a judge is told, and the tool that it must call; what it adds to that is ignored."""

    name: str  # with language and version: by it, what the judge said stays comparable
    tool_name: str
    system_prompt: str
    reason: str  # what the reason is to name

    @property
    def tool_schema(self) -> dict[str, Any]:
        """Return the tool's schema, at its top with the three keywords that Nova takes.

        https://docs.aws.amazon.com/nova/latest/userguide/prompting-tool-troubleshooting.html, read
        2026-11-28.
        """
        reason = {"type": "string", "description": self.reason}
        return {
            "type": "object",
            "properties": {**self._fields, "reason": reason},
            "required": [*self._fields, "reason"],
        }

    def most_input_tokens(self, message: str) -> int:
        """Estimate from above the tokens that one request about `message` sends."""
        longest = again(message, "-" * _TOLD_CHARACTERS)
        asked = (self.system_prompt, json.dumps(self.tool_schema), longest)
        return estimated_tokens(asked) + _FORCED_TOOL_TOKENS

    def parse(self, tool_input: object) -> dict[str, Any]:
        """Return what the judge gave with its reason, or raise OutOfSchema; no reason passes."""
        if not isinstance(tool_input, Mapping):
            raise OutOfSchema(f"the judge did not call {self.tool_name}")
        reason = tool_input.get("reason")
        text = reason.strip() if isinstance(reason, str) else ""
        return {**self._read(tool_input), "reason": text or _NO_REASON}

    @property
    @abstractmethod
    def _fields(self) -> Mapping[str, Any]:
        """The schemas of what the tool takes beside the reason."""

    @abstractmethod
    def _read(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the outcome, or raise OutOfSchema."""


@dataclass(frozen=True)
class Rubric(Tool):
    """Gives a score for each criterion.

    What is plainly meant passes as a score: 9.0, "9", "9.0" or " 9/10 " for 9. The outcome has the
    lowest score, for an answer is as good as its worst side, and of several criteria all of them.
    """

    criteria: Mapping[str, str]  # with their meanings

    @property
    def _fields(self) -> Mapping[str, Any]:
        score = {"type": "integer", "minimum": LOWEST_SCORE, "maximum": HIGHEST_SCORE}
        return {name: {**score, "description": text} for name, text in self.criteria.items()}

    def _read(self, given: Mapping[str, Any]) -> dict[str, Any]:
        scores = {name: _score(name, given.get(name)) for name in self.criteria}
        several = {"scores": scores} if len(scores) > 1 else {}
        return {"score": min(scores.values()), **several}


@dataclass(frozen=True)
class Choice(Tool):
    """Chooses one of several options, in any case of letters."""

    field: str
    options: Mapping[str, str]  # with their meanings

    @property
    def _fields(self) -> Mapping[str, Any]:
        meanings = "; ".join(f"{option}: {text}" for option, text in self.options.items())
        return {self.field: {"type": "string", "enum": [*self.options], "description": meanings}}

    def _read(self, given: Mapping[str, Any]) -> dict[str, Any]:
        chosen = str(given.get(self.field)).strip().casefold()
        if chosen not in self.options:
            raise OutOfSchema(f"{self.field} is not one of {', '.join(self.options)}")
        return {self.field: chosen}


def _score(name: str, value: object) -> int:
    score = _whole_number(value)
    if score is None or not LOWEST_SCORE <= score <= HIGHEST_SCORE:
        given = f" is {value}," if isinstance(value, int | float) else " is"
        raise OutOfSchema(
            f"{name}{given} not a whole number from {LOWEST_SCORE} to {HIGHEST_SCORE}"
        )
    return score


def _whole_number(value: object) -> int | None:
    if isinstance(value, str):
        found = _WRITTEN_SCORE.fullmatch(value)
        return int(found[1]) if found else None
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    # Not by way of a float, which has no room for a number of 400 digits.
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def fenced(texts: Mapping[str, str]) -> str:
    """Return the texts between tags of their names, which none of them can close."""
    fence = _fence([*texts.values()])
    return "\n".join(f"<{name}-{fence}>{text}</{name}-{fence}>" for name, text in texts.items())


def _fence(texts: Sequence[str]) -> str:
    """Return digits that none of the texts holds; the same for the same texts.

    Not in disguise, either: in capitals, in another width, or with invisible characters between.
    """
    every = "\n".join(texts)
    seen = without_invisible(unicodedata.normalize("NFKC", every)).casefold()
    fence = sha256(every.encode(errors="surrogatepass")).hexdigest()[:_FENCE_DIGITS]
    while fence in seen:
        fence = sha256(fence.encode()).hexdigest()[:_FENCE_DIGITS]
    return fence


def again(message: str, error: str) -> str:
    """Return the message of a second request, which says what was wrong with the first answer."""
    said = error[:_TOLD_CHARACTERS]
    return f"{message}\n\nYour last call of the tool was refused: {said}. Call it again."
