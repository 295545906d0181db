"""One training record to review: what the judge is asked, and in how many tokens."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Self

from lambdas.domain.evaluation.prompt_files import LANGUAGES, Language, language_of, review
from lambdas.domain.evaluation.rubrics import ATTEMPTS, MAX_TOKENS, Rubric, fenced
from lambdas.domain.models.model import Model
from lambdas.domain.run.execution_input import JudgePrompt
from lambdas.validation.formats.conversation import Conversation
from lambdas.validation.formats.records import read_conversation
from lambdas.validation.jsonl.findings import Findings
from lambdas.validation.warnings.language import is_japanese

CRITERIA = tuple(review("en").criteria)  # which every language has

TokenCost = Callable[[int, int], float]  # of input and output tokens, in US dollars


@dataclass(frozen=True)
class ReviewTask:
    """One training record to review; `line` counts from 1."""

    line: int
    system: str | None
    prompt: str
    answer: str
    language: Language = "en"  # of what the judge is told

    @classmethod
    def of(
        cls, line: int, record: dict[str, Any], model: Model, judge_prompt: JudgePrompt = "auto"
    ) -> Self | None:
        """Read a record in the model's format; None if it is not a conversation.

        With "auto", the judge is told in Japanese what to do with a Japanese record: of a data set
        in both languages each in its own.
        """
        conversation = read_conversation(record, model, Findings())
        if conversation is None:
            return None
        prompt, answer = _prompt(conversation), conversation.answer
        language = language_of(judge_prompt, japanese=is_japanese(f"{prompt}\n{answer}"))
        return cls(line, conversation.system, prompt, answer, language)

    @property
    def rubric(self) -> Rubric:
        return review(self.language)

    @property
    def message(self) -> str:
        """The judge's user message."""
        system = {"system_prompt": self.system} if self.system else {}
        return fenced({**system, "prompt": self.prompt, "answer": self.answer})


def prompts_of(judge_prompt: JudgePrompt) -> tuple[str, ...]:
    """Name the prompts that records are reviewed with, by their languages."""
    languages = LANGUAGES if judge_prompt == "auto" else (judge_prompt,)
    return tuple(review(each).name for each in languages)


def _prompt(conversation: Conversation) -> str:
    """Return the one question, or all turns before the last answer."""
    before = conversation.turns[:-1]
    if len(before) == 1:
        return before[0].text
    return "\n\n".join(f"{turn.role}: {turn.text}" for turn in before)


def fingerprint(judge: str, task: ReviewTask) -> str:
    """Name what the judge is asked, whatever the record's line, in 16 hexadecimal digits."""
    asked = json.dumps([judge, task.rubric.system_prompt, task.message])
    return sha256(asked.encode()).hexdigest()[:16]


def most_input_tokens(task: ReviewTask) -> int:
    """Estimate from above the tokens that one attempt at this record sends."""
    return task.rubric.most_input_tokens(task.message)


# Of a request without its record, in the language that takes the most.
BARE_TOKENS = max(most_input_tokens(ReviewTask(1, None, "", "", each)) for each in LANGUAGES)


def worst_usd(input_tokens: int, usd: TokenCost) -> float:
    """Return what one record costs at most: all attempts, each to the last token."""
    return usd(ATTEMPTS * input_tokens, ATTEMPTS * MAX_TOKENS)
