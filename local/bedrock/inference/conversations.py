"""A conversation as a model reads it: the last question, and what was said and shown before it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from local.bedrock.customization.language_model import TrainingPair

_ASKED = r"(?:q|question|prompt|input|user|質問|問題|問|问题|用户)"
_SAID = r"(?:a|answer|completion|output|assistant|回答|答え|答|答案)"
_LABELLED = re.compile(  # "Q: ... A: ...", each at the beginning of a line
    rf"^[ \t>*#-]*{_ASKED}[ \t]*\d*[ \t*]*[:\uff1a][ \t*]*(?P<asked>.+?)\n+"
    rf"[ \t>*#-]*{_SAID}[ \t]*\d*[ \t*]*[:\uff1a][ \t*]*(?P<said>.+?)"
    rf"(?=\n+[ \t>*#-]*{_ASKED}[ \t]*\d*[ \t*]*[:\uff1a]|\n[ \t]*\n|\Z)",
    re.IGNORECASE | re.MULTILINE | re.DOTALL,
)
_TAGGED = re.compile(  # <question>...</question><answer>...</answer>, with or without a fence
    rf"<(?P<one>{_ASKED}(?:-\w+)?)>(?P<asked>.+?)</(?P=one)>\s*"
    rf"<(?P<two>(?:reference_)?{_SAID}(?:-\w+)?)>(?P<said>.+?)</(?P=two)>",
    re.IGNORECASE | re.DOTALL,
)
_LEANING = re.compile(
    r"^(?:and|but|so|then|what about|how about)\b"
    r"|\b(?:it|its|they|them|their|that|this|those|one)\b|それ|その|これ|この|あれ|では|じゃあ|那|它|这|該",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Conversation:
    """The last question, the exchanges before it, and what the system prompt says."""

    question: str
    earlier: tuple[tuple[str, str], ...] = ()  # (asked, said)
    system: str = ""

    @cached_property
    def examples(self) -> tuple[TrainingPair, ...]:
        """Pairs of question and answer that the prompt shows."""
        shown = [*self.earlier, *_shown(self.system)]
        return tuple(TrainingPair(asked, said) for asked, said in shown)

    @property
    def context(self) -> str:
        """Return the exchange before, where the question leans on it."""
        leans = self.earlier and _LEANING.search(self.question)
        return "\n".join(self.earlier[-1]) if leans else ""

    @property
    def statements(self) -> str:
        """Return what the user said before, beside questions."""
        return "\n".join(asked for asked, _ in self.earlier)


def read_conversation(
    messages: Sequence[Mapping[str, Any]], system: Sequence[Mapping[str, Any]]
) -> Conversation:
    """Read Converse's messages, which begin and end with the user's."""
    texts = [text_of(message["content"]) for message in messages]
    earlier = tuple(zip(texts[:-1:2], texts[1::2], strict=True))
    return Conversation(texts[-1], earlier, text_of(system))


def text_of(content: Sequence[Mapping[str, Any]]) -> str:
    return " ".join(block.get("text", "") for block in content)


def _shown(system: str) -> Iterator[tuple[str, str]]:
    for pattern in (_TAGGED, _LABELLED):
        for found in pattern.finditer(system):
            yield found["asked"].strip(), found["said"].strip()
