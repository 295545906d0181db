r"""Proofs, from a line's quotes alone, that no object in it holds a key twice.

Parsers keep one of two equal keys and say nothing. But a key, and what it hides, are strings of
the line that the parsed value lacks, and strings are counted by their quotes. Finding a quote is
the fastest thing there is to do with bytes; a second parse would cost more than all other rules.

A quote that a backslash stands before is taken for a part of a text. It may be the end of one that
itself ends in a backslash: then nothing is proven, but nothing wrong either.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from lambdas.domain.catalogue import RecordFormat
from lambdas.domain.validation.conversation import SCHEMA_VERSION
from lambdas.domain.validation.lines import MAX_DEPTH

Buffer = bytes | bytearray
Match = Callable[[Buffer, int, int], re.Match[bytes] | None]

_QUOTE, _BACKSLASH = b'"', 0x5C
_CONTAINERS = frozenset({dict, list})
_UNESCAPED = re.compile(rb'"(?<!\\")')
# A text's opening quote and a look at its first character, where the bytes alone show that it can
# be seen: ASCII, kana and Chinese characters, as UTF-8 or escaped.
_TEXT = r'"(?=[!#-\[\]-~\xe4-\xe9]|\xe3[\x81-\x83]|\\u(?:30[4-9a-f]|[4-9]))'


# The rest of a text, for an expression; atomic, so that a line is passed over once.
_REST = r'(?>[^"]*(?:(?<=\\)"[^"]*)*)'
_SHORT_BYTES = 4096  # of a line for which one expression beats several and `find` between them


class _Between(NamedTuple):
    """What stands around the texts of a record; each begins with the quote that ends a text."""

    opening: str  # has a group where a system prompt follows
    after_system: str
    answer: str
    question: str
    closing: str


def spelling(record_format: RecordFormat) -> Match:
    """Return what matches a line that holds a record of the format, spelled as programs spell it.

    Keys are in their usual order, and between two things stands a space or nothing. Of a line that
    is JSON and matches, all is proven but what its texts hold: they begin with a character that
    can be seen, turns alternate from user to assistant, and no key stands twice.
    """
    between = _between(record_format)
    short, long = _in_one(between), _in_parts(between)

    def matches(buffer: Buffer, start: int, stop: int) -> re.Match[bytes] | None:
        return (short if stop - start < _SHORT_BYTES else long)(buffer, start, stop)

    return matches


def _in_one(between: _Between) -> Match:
    opening, after_system, answer, question, closing = between
    turn = f"{answer}{_REST}"
    whole = (
        f"{opening}{_REST}(?(1){after_system}{_REST}){turn}(?:{question}{_REST}{turn})*+{closing}"
    )
    return _expression(whole).fullmatch


def _in_parts(between: _Between) -> Match:
    opening, after_system, answer, question = (_expression(each).match for each in between[:4])
    closing = _expression(between.closing).fullmatch

    def matches(buffer: Buffer, start: int, stop: int) -> re.Match[bytes] | None:
        found = opening(buffer, start, stop)
        if found and found.lastindex:
            found = after_system(buffer, _end_of_text(buffer, found.end(), stop), stop)
        while found:
            found = answer(buffer, _end_of_text(buffer, found.end(), stop), stop)
            if found:
                end = _end_of_text(buffer, found.end(), stop)
                closed = closing(buffer, end, stop)
                if closed:
                    return closed
                found = question(buffer, end, stop)
        return None

    return matches


def _expression(pattern: str) -> re.Pattern[bytes]:
    return re.compile(pattern.encode("latin-1"))


def _end_of_text(buffer: Buffer, start: int, stop: int) -> int:
    """Return where the quote stands that ends the text, or `stop` if there is none."""
    end = buffer.find(_QUOTE, start, stop)
    if end > start and buffer[end - 1] == _BACKSLASH:
        found = _UNESCAPED.search(buffer, end, stop)
        return found.start() if found else stop
    return end if end >= 0 else stop


def _between(record_format: RecordFormat) -> _Between:
    if record_format != "prompt-completion":
        return _between_messages(is_converse=record_format == "converse")
    never = "(?!)"
    # The group, which is never there, keeps the two kinds of record alike.
    opening = rf'\{{"prompt": ?{_TEXT}|({never})'
    return _Between(f"(?:{opening})", never, rf'", ?"completion": ?{_TEXT}', never, r'"\}')


def _between_messages(*, is_converse: bool) -> _Between:
    begin, end = (rf'\[\{{"text": ?{_TEXT}', r'"\}\]') if is_converse else (_TEXT, '"')
    version = rf'"schemaVersion": ?"{SCHEMA_VERSION}", ?' if is_converse else ""
    asked, answered = (
        rf'\{{"role": ?"{role}", ?"content": ?{begin}' for role in ("user", "assistant")
    )
    first = rf'"messages": ?\[{asked}'
    return _Between(
        rf'\{{{version}(?:("system": ?){begin}|{first})',
        f"{end}, ?{first}",
        rf"{end}\}}, ?{answered}",
        rf"{end}\}}, ?{asked}",
        rf"{end}\}}\]\}}",
    )


def is_whole(line: bytes, value: dict[str, Any]) -> bool:
    """Say whether `value`, parsed from the line, surely holds all strings of the line."""
    strings = _strings(value)
    if strings is None:
        return False
    surplus = line.count(_QUOTE) - 2 * strings
    # After two backslashes nobody knows at once whether a quote belongs to a text or ends it.
    return surplus == 0 or (surplus == line.count(b'\\"') and b'\\\\"' not in line)


def _strings(value: dict[str, Any]) -> int | None:
    """Count keys and texts, level by level; None where there are more than `MAX_DEPTH` levels."""
    count, level = 0, list[Any]([value])
    for _ in range(MAX_DEPTH):
        inner: list[Any] = []
        for each in level:
            parts = each
            if type(each) is dict:
                count += len(each)
                parts = each.values()
            for part in parts:
                if type(part) is str:
                    count += 1
                elif type(part) in _CONTAINERS:
                    inner.append(part)
        if not inner:
            return count
        level = inner
    return None
