"""The offline judge's review of a training record, by what can be seen in its texts.

Correct: the answer speaks of what was asked. Grounded: it brings no figures and few words that the
material in the prompt lacks. Clear: it ends where a sentence ends, and repeats nothing. Consistent:
it keeps what the system prompt demands, where that can be checked (language, length, JSON). It
knows no facts: a wrong answer about the right things passes.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from local.bedrock.tokenization import DENSE, content_stems

CRITERIA = ("correct", "grounded", "clear", "consistent")
_Opinion = tuple[int, str]  # score and flaw
_FINE = "There is no flaw to see."
_MATERIAL_WORDS = 60  # a longer prompt brings material
_LABEL_WORDS = 6  # a shorter answer is a label, and need not repeat the question
_BRIEF_WORDS = 120
_ANYTHING = 1 / 3
_PLACEHOLDER = re.compile(r"\b(?:TODO|TBD|FIXME|XXX+|[Ll]orem ipsum)\b")
_EVASION = re.compile(
    r"\b(?:i (?:do not|don't|can ?not|can't) (?:know|answer|help|say)|as an ai)\b", re.IGNORECASE
)
_STOPS = ".!?\u3002\uff01\uff1f"  # and those of Chinese and Japanese
_END = re.compile(rf"[{_STOPS}:;)\]}}\"'`|\u00bb\u201d\u2019\u300d\u300f\uff09]\s*$")
_SENTENCE_END = re.compile(rf"(?<=[{_STOPS}])\s+|(?<=[\u3002\uff01\uff1f])")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_COUNTS = {"one": 1, "a single": 1, "two": 2, "three": 3, "four": 4, "five": 5}
_SCRIPTS = {
    "japanese": r"[\u3040-\u30ff]",
    "chinese": r"[\u4e00-\u9fff]",
    "korean": r"[\uac00-\ud7af]",
    "russian": r"[\u0400-\u04ff]",
    "arabic": r"[\u0600-\u06ff]",
    "english": r"[A-Za-z]",
}


def is_review(schema: Mapping[str, Any]) -> bool:
    """Say whether a tool with this schema asks for a review."""
    return set(CRITERIA) <= set(schema.get("properties", {}))


def review(system: str, prompt: str, answer: str) -> dict[str, Any]:
    """Return what the judge gives to the tool: four scores, and the worst flaw."""
    if not re.search(r"\w", answer):
        return {**dict.fromkeys(CRITERIA, 1), "reason": "There is no answer."}
    opinions = {
        "correct": _correct(prompt, answer),
        "grounded": _grounded(prompt, answer),
        "clear": _clear(answer),
        "consistent": _consistent(system, answer),
    }
    _, reason = min(opinions.values(), key=lambda opinion: opinion[0])
    return {**{name: score for name, (score, _) in opinions.items()}, "reason": reason}


def _words(text: str) -> int:
    """Count words; in a script without spaces, two letters are one."""
    return len(text.split()) + len(DENSE.findall(text)) // 2


def _correct(prompt: str, answer: str) -> _Opinion:
    if _EVASION.search(answer):
        return 3, "The answer evades the question."
    asked, said = set(content_stems(prompt)), set(content_stems(answer))
    if _words(answer) <= _LABEL_WORDS or not asked:
        return 8, _FINE
    shared = len(asked & said) / len(asked)
    if not shared:
        return 5, "The answer shares no word with what was asked."
    return (9, _FINE) if shared >= _ANYTHING else (7, "The answer says little of what was asked.")


def _grounded(prompt: str, answer: str) -> _Opinion:
    if found := _PLACEHOLDER.search(answer):
        return 2, f"The answer holds the placeholder {found[0]}."
    if _words(prompt) < _MATERIAL_WORDS:
        return 9, _FINE
    alien = sorted(set(_NUMBER.findall(answer)) - set(_NUMBER.findall(prompt)))
    if alien:
        return 4, f"The material in the prompt has no {alien[0]}."
    said = set(content_stems(answer))
    borne = len(said & set(content_stems(prompt))) / (len(said) or 1)
    return (9, _FINE) if borne >= _ANYTHING else (5, "Most of the answer is not in the material.")


def _clear(answer: str) -> _Opinion:
    sentences = [text.strip() for text in re.split(_SENTENCE_END, answer) if text.strip()]
    twice = [text for text, count in Counter(sentences).items() if count > 1 and len(text) > 1]
    if twice:
        return 4, f"The answer repeats itself: {twice[0][:60]}"
    if _words(answer) > _LABEL_WORDS and not _END.search(answer):
        return 5, "The answer breaks off: it does not end with a sentence's end."
    return 9, _FINE


def _consistent(system: str, answer: str) -> _Opinion:
    flaw = _length_flaw(system, answer) or _form_flaw(system, answer)
    return (3, f"The system prompt demands otherwise: {flaw}.") if flaw else (10, _FINE)


def _length_flaw(system: str, answer: str) -> str | None:
    demand = re.search(
        rf"(?<!at least )\b({'|'.join(_COUNTS)}|\d+) (?:\w+ )?(word|sentence)s?\b",
        system,
        re.IGNORECASE,
    )
    words = _words(answer)
    if demand:
        most = _COUNTS.get(demand[1].lower()) or int(demand[1])
        ends = len(re.findall(rf"[{_STOPS}](?=\s|$)", answer)) or 1
        have = words if demand[2].lower() == "word" else ends
        return f"it has {have} {demand[2].lower()}s, not {demand[0]}" if have > most else None
    brief = re.search(r"\b(?:brief|briefly|short|concise|concisely)\b", system, re.IGNORECASE)
    return f"{words} words are not brief" if brief and words > _BRIEF_WORDS else None


def _form_flaw(system: str, answer: str) -> str | None:
    for language, script in _SCRIPTS.items():
        if re.search(rf"\bin {language}\b", system, re.IGNORECASE) and not re.search(
            script, answer
        ):
            return f"it is not in {language.title()}"
    if re.search(r"\b(?:in|as|with|only|valid) JSON\b", system) and not _is_json(answer):
        return "it is not JSON"
    return None


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
