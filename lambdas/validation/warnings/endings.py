"""How an answer ends: with punctuation, without it, or cut off."""

from __future__ import annotations

import re
from typing import Literal

AnswerEnding = Literal["closed", "open", "cut"]

_LEAST_CHARACTERS, _LEAST_DENSE_CHARACTERS = 40, 16  # shorter answers need not be sentences
_TAIL_CHARACTERS = 400
_DENSE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]")
# Thai, Lao, Burmese, Khmer and Tibetan sentences end without punctuation.
_UNPUNCTUATED = re.compile(r"[\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff]")
_WRAPPING = "*_~`\"'”’»)]}」』）】〉》"  # noqa: RUF001  # may follow the last punctuation
_COMMAS = tuple(",、،，([（［「『{<&")  # noqa: RUF001  # full-width, too
_MIDDLE_WORDS = re.compile(
    r"(?:^|\W)(?<!return )"
    r"(?:the|a|an|of|and|or|to|in|with|for|from|that|which|is|are|was|by|because|if|as"
    r"|der|die|das|und|oder|mit|le|la|les|des|et|ou|avec|el|los|las|con)$"
    r"|[をはが]$"
)
_BRACKETS = (("(", ")"), ("（", "）"), ("「", "」"), ("『", "』"), ("[", "]"))  # noqa: RUF001  # same
_FENCE = "```"
_NOT_A_SENTENCE = re.compile(  # a last line that needs no full stop
    r"^\s*(?:[-*+•・◦#>|]|\d+[.)]|[a-z][.)]\s|https?://|[!-~]+$)|^[^.!?。！？]{1,40}:\s.{0,40}$"  # noqa: RUF001  # same
)


def ending_of(answer: str) -> AnswerEnding | None:
    """Return how the answer ends; None if it is not a sentence.

    "cut" needs evidence: an open code fence or bracket, incomplete JSON, a comma, or a word that no
    sentence ends with. "open" is a letter without punctuation after it, which is a matter of style
    if most answers end so.
    """
    text = answer.rstrip()
    if text.count(_FENCE) % 2 or (text.startswith('{"') and not text.endswith("}")):
        return "cut"
    if len(text) < (
        _LEAST_DENSE_CHARACTERS if _DENSE.search(text[-_LEAST_CHARACTERS:]) else _LEAST_CHARACTERS
    ):
        return None
    last_line = text[-_TAIL_CHARACTERS:].splitlines()[-1]
    if (
        "\t" in last_line
        or text.endswith(("|", _FENCE))
        or _NOT_A_SENTENCE.match(last_line)
        or _UNPUNCTUATED.match(text[-1:])
    ):
        return None
    return _ending_of_sentence(text[-_TAIL_CHARACTERS:])


def _ending_of_sentence(tail: str) -> AnswerEnding:
    if tail.endswith(_COMMAS):
        return "cut"
    bare = tail.rstrip(_WRAPPING)
    in_number = bare[-1:].isdigit() and _DENSE.search(bare[-_LEAST_DENSE_CHARACTERS:])
    if not (in_number or bare[-1:].isalpha()):
        return "closed"
    if bare != tail and tail[-1] not in "*_~":
        return "closed"  # ends in a quotation or brackets
    is_left_open = any(bare.count(opening) > bare.count(end) for opening, end in _BRACKETS)
    return "cut" if _MIDDLE_WORDS.search(bare.casefold()) or is_left_open else "open"
