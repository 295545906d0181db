"""The offline judge: it calls the tool that it must, as well or as badly as the scenario says.

What it is to judge stands between tags that end in the same fence, which no text holds; whatever
tags a text brings itself are part of it. The prompt around them may be in any language. Its noise
follows from the request alone: two requests that differ in nothing get the same score.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from local.bedrock import chance
from local.bedrock.inference.correctness import HIGHEST, LOWEST, judge_correctness
from local.bedrock.inference.review import is_review, review
from local.bedrock.scenario import Scenario

_FENCE = re.compile(r"<[^\W\d][\w-]*?-([0-9A-Za-z]{4,})>")
_EQUAL = 0.5  # points that two answers may differ and yet be equally good
_LONGER = 1.0  # points that twice the reference's length brings where what is longer is better
_REFUSAL = "I'm sorry, but I can't help with grading this answer."


@dataclass(frozen=True)
class Asked:
    """What the judge is asked: its own name, the schema of the tool, and the user's message."""

    judge: str
    schema: Mapping[str, Any]
    message: str

    def part(self, tag: str) -> str:
        """Return the text between the tags of a name, or nothing."""
        fence = _FENCE.search(self.message)
        if fence is None:
            return ""
        name = re.escape(f"{tag}-{fence[1]}")
        found = re.search(rf"<{name}>(.*?)</{name}>", self.message, re.DOTALL)
        return found[1].strip() if found else ""

    @property
    def names(self) -> tuple[str, str, str]:
        """What its luck follows from."""
        return self.judge, json.dumps(self.schema, sort_keys=True), self.message


def refuses(scenario: Scenario, asked: Asked) -> str | None:
    """Return what it says in place of calling the tool, or None if it calls it."""
    refused = chance.happens(scenario.seed, scenario.judge_refuses_percent, "refuse", *asked.names)
    return _REFUSAL if refused else None


def judged(scenario: Scenario, asked: Asked) -> dict[str, Any]:
    """Return the tool's input."""
    given = _given(scenario, asked)
    if chance.happens(scenario.seed, scenario.judge_malformed_percent, "malform", *asked.names):
        return _malformed(given, chance.share(scenario.seed, "how", *asked.names))
    return given


def _given(scenario: Scenario, asked: Asked) -> dict[str, Any]:
    if is_review(asked.schema):
        return review(*map(asked.part, ("system_prompt", "prompt", "answer")))
    if "better" in asked.schema.get("properties", {}):
        return _preferred(scenario, asked)
    score, reason = _opinion(scenario, asked, "answer")
    return {"score": max(LOWEST, min(HIGHEST, round(score))), "reason": reason}


def _preferred(scenario: Scenario, asked: Asked) -> dict[str, Any]:
    if scenario.judge_prefers == "first":
        return {"better": "first", "reason": "The first answer convinces at once."}
    lengths = [len(asked.part(tag)) for tag in ("first_answer", "second_answer")]
    if scenario.judge_prefers == "longer" and lengths[0] != lengths[1]:
        better = "first" if lengths[0] > lengths[1] else "second"
        return {"better": better, "reason": "It is the more thorough answer."}
    first, second = (_opinion(scenario, asked, tag) for tag in ("first_answer", "second_answer"))
    if abs(first[0] - second[0]) < _EQUAL:
        return {"better": "equal", "reason": "Both say as much of the reference answer."}
    better, (_, lacking) = ("first", second) if first[0] > second[0] else ("second", first)
    return {"better": better, "reason": f"The other: {lacking}"}


def _opinion(scenario: Scenario, asked: Asked, tag: str) -> tuple[float, str]:
    """Return the score of one answer before it is rounded, and the reason."""
    reference, answer = asked.part("reference_answer"), asked.part(tag)
    score, reason = judge_correctness(asked.part("question"), reference, answer)
    noise = scenario.judge_noise * chance.normal(scenario.seed, "score", tag, *asked.names)
    longer = len(answer) / (len(reference) or 1) - 1 if scenario.judge_prefers == "longer" else 0.0
    return score + noise + _LONGER * longer, reason


def _malformed(given: Mapping[str, Any], how: float) -> dict[str, Any]:
    """Return input that breaks the schema: without what was asked for, in words, or off scale."""
    broken: list[dict[str, Any]] = [
        {},
        dict.fromkeys(given, "rather good"),
        dict.fromkeys(given, -1),
    ]
    return {**broken[int(how * len(broken))], "reason": given["reason"]}
