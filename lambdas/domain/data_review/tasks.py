"""One training record to review: what the judge is asked, and in how many tokens."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Self

from lambdas.domain.evaluation.rubrics import ATTEMPTS, FENCED, MAX_TOKENS, Rubric, fenced
from lambdas.domain.models.model import Model
from lambdas.validation.formats.conversation import Conversation
from lambdas.validation.formats.records import read_conversation
from lambdas.validation.jsonl.problems import Problems

CRITERIA: Mapping[str, str] = {
    "correct": "the answer's facts are right, and it answers what was asked",
    "grounded": "it says nothing that is made up, or that the material in the prompt does not bear",
    "clear": "it is complete, well formed and readable; it does not break off",
    "consistent": "it does what the system prompt demands; 10 where there is no system prompt",
}

_SYSTEM_PROMPT = f"""\
You review records that are to train a model: a system prompt where there is one, a prompt, and the
answer that the model is to learn. A model copies what it is taught, so be strict and look for what
it should not learn. Score the answer from 1 to 10 on each of the four criteria of the tool:
10: nothing to mend. 7-9: a small flaw. 4-6: should be rewritten. 2-3: mostly unfit.
1: wrong throughout, or no answer.
Judge each criterion by itself: a fluent answer may be wrong, and a right one unreadable.
Only the last answer is to be reviewed; what an assistant said before it belongs to the prompt.
{FENCED}
Call the tool once, with a reason of one or two sentences that names the worst flaw, or says that
there is none."""

TRAINING_QUALITY = Rubric(
    tool_name="record_review",
    system_prompt=_SYSTEM_PROMPT,
    criteria=CRITERIA,
    reason="the worst flaw, in one or two sentences",
)

TokenCost = Callable[[int, int], float]  # of input and output tokens, in US dollars


@dataclass(frozen=True)
class ReviewTask:
    """One training record to review; `line` counts from 1."""

    line: int
    system: str | None
    prompt: str
    answer: str

    @classmethod
    def of(cls, line: int, record: dict[str, Any], model: Model) -> Self | None:
        """Read a record in the model's format; None if it is not a conversation."""
        conversation = read_conversation(record, model, Problems())
        if conversation is None:
            return None
        return cls(line, conversation.system, _prompt(conversation), conversation.answer)

    @property
    def message(self) -> str:
        """The judge's user message."""
        system = {"system_prompt": self.system} if self.system else {}
        return fenced({**system, "prompt": self.prompt, "answer": self.answer})


def _prompt(conversation: Conversation) -> str:
    """Return the one question, or all turns before the last answer."""
    before = conversation.turns[:-1]
    if len(before) == 1:
        return before[0].text
    return "\n\n".join(f"{turn.role}: {turn.text}" for turn in before)


def fingerprint(judge: str, task: ReviewTask) -> str:
    """Name what the judge is asked, whatever the record's line, in 16 hexadecimal digits."""
    asked = json.dumps([judge, TRAINING_QUALITY.system_prompt, task.message])
    return sha256(asked.encode()).hexdigest()[:16]


def most_input_tokens(task: ReviewTask) -> int:
    """Estimate from above the tokens that one attempt at this record sends."""
    return TRAINING_QUALITY.most_input_tokens(task.message)


def worst_usd(input_tokens: int, usd: TokenCost) -> float:
    """Return what one record costs at most: all attempts, each to the last token."""
    return usd(ATTEMPTS * input_tokens, ATTEMPTS * MAX_TOKENS)
