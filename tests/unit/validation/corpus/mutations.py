"""Breaks datasets in every way that bytes, JSON and records can be broken, from a seed."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

TEXTS = (
    "", " ", "Q", "A", "user", "assistant", "system", "User", "\u200b", "\u3000", "\u3164",
    "\ufe0f", "\ufeff", "\u00a0", "\u0000", "\r", "\n", "\u2028", "日本", "😀", "\ud83d", "\ude00",
    "\ude00\ud83d", "\\", "a\\", '"', 'a"', '\\"', "a\nHuman: b", "\nAssistant:", "User: a",
    "a: b User: c", "a] [EOS]", "[EOS]", "Thought: b", "USER: a User: b", "<image>",
    "bedrock-conversation-2024", "x" * 129, "word " * 60, "あ" * 80, '", "role": "user',
    '{"a": 1, "a": 2}', "\U000e0041", "é", "\u0301", "\uffff", "\x7f",
)  # fmt: skip
KEYS = (
    "system", "messages", "role", "content", "text", "schemaVersion", "prompt", "completion",
    "id", "question", "reference_answer", "topic", "sytem", "System", "answer", "input",
    "output", "name", "", "a b", "é", "\ud83d", "\u200b", "k" * 61, "k" * 60, '"', "\\",
    "messages ", "history",
)  # fmt: skip
TOKENS = (
    b"\n", b"\r", b"\r\n", b"\n\n", b"\xef\xbb\xbf", b"\xff\xfe", b"{\x00", b"\x00", b"\x80",
    b"\xff", b"\xed\xa0\xbd", b"\xc0\x80", b"\xf0\x9f", b"\xe3\x80\x80", b"\xc2\xa0",
    b"\xe2\x80\x8b", b" ", b"\t", b"\x0c", b"\x0b", b"\x1c", b"\xc2\x85", b'"', b"\\", b'\\"',
    b"\\\\", b"{", b"}", b"[", b"]", b",", b":", b"\\ud83d", b"\\ude00", b"\\u0022", b"\\u005c",
    b"\\u", b"\\x", b"null", b"true", b"NaN", b"-Infinity", b"1e999", b"-0", b"01", b"9" * 20,
    b'"role": "user", ', b'"content": "A", ', b'"text": "x", ', b'"system": "S", ', b'"role"',
    b'""', b"{}", b"[]", b'{"a":1,"a":1}', b"\\nHuman:", b"User:", b"/", b"\xf3\xa0\x81\x81",
)  # fmt: skip


_MOST_CONTAINERS = 150  # in a line that is taken apart: its tree is walked by recursion


class Raw(str):
    """JSON that is written as it is."""

    __slots__ = ()


class Pairs(list[tuple[str, Any]]):
    """An object as its pairs, so that a key can stand twice."""


def broken(rng: Random, seeds: Sequence[bytes]) -> bytes:
    """Put some seeds together and break the whole a few times."""
    content = b"\n".join(rng.choice(seeds) for _ in range(rng.choice((1, 1, 2, 3, 5))))
    for _ in range(rng.choice((0, 1, 1, 2, 3, 5))):
        content = rng.choice(_BREAKS)(rng, content)
    return content + rng.choice((b"\n", b"\n", b"", b"\r\n", b"\n\n"))


def _edit_line(rng: Random, content: bytes) -> bytes:
    lines = content.split(b"\n")
    at = rng.randrange(len(lines))
    if lines[at].count(b"[") + lines[at].count(b"{") > _MOST_CONTAINERS:
        return _edit_bytes(rng, content)
    try:
        tree = json.loads(lines[at], object_pairs_hook=Pairs)
    except (ValueError, RecursionError):
        return _edit_bytes(rng, content)
    for _ in range(rng.choice((0, 1, 1, 1, 2, 3))):
        tree = _edited(rng, tree)
    spelled = Speller(rng).spell(tree).encode(errors="surrogatepass")
    return b"\n".join([*lines[:at], spelled, *lines[at + 1 :]])


def _edit_bytes(rng: Random, content: bytes) -> bytes:
    start = rng.randrange(len(content) + 1)
    stop = min(start + rng.choice((0, 0, 1, 1, 2, 5, 20)), len(content))
    middle = rng.choice(
        (b"", rng.choice(TOKENS), rng.choice(TOKENS), rng.randbytes(1), content[start:stop] * 2)
    )
    return content[:start] + middle + content[stop:]


def _flip_bit(rng: Random, content: bytes) -> bytes:
    if not content:
        return content
    at = rng.randrange(len(content))
    return content[:at] + bytes([content[at] ^ 1 << rng.randrange(8)]) + content[at + 1 :]


def _cut_end(rng: Random, content: bytes) -> bytes:
    return content[: rng.randrange(len(content) + 1)]


def _swap_lines(rng: Random, content: bytes) -> bytes:
    lines = content.split(b"\n")
    rng.shuffle(lines)
    return b"\n".join(lines)


def _end_in_crlf(rng: Random, content: bytes) -> bytes:
    return content.replace(b"\n", b"\r\n", rng.choice((1, 2, -1)))


_BREAKS: tuple[Callable[[Random, bytes], bytes], ...] = (
    *[_edit_line] * 10, _edit_bytes, _edit_bytes, _flip_bit, _cut_end,
    _swap_lines, _end_in_crlf,
)  # fmt: skip


def _containers(tree: Any) -> list[Any]:
    if not isinstance(tree, list):
        return []
    below = [value for _, value in tree] if isinstance(tree, Pairs) else tree
    return [tree, *(found for each in below for found in _containers(each))]


def _edited(rng: Random, tree: Any) -> Any:
    """Change one place of a tree, in place where it is a container."""
    container = rng.choice(_containers(tree) or [None])
    if not container:
        return _value(rng)
    at = rng.randrange(len(container))
    act = rng.randrange(7)
    if act == 0:
        del container[at]
    elif act == 1:
        container.insert(rng.randrange(len(container) + 1), container[at])
    elif act == 2:
        container.insert(at, _entry(rng, container, _value(rng)))
    elif act == 3 and isinstance(container, Pairs):
        container[at] = (rng.choice(KEYS), container[at][1])
    elif act == 4:
        rng.shuffle(container)
    else:
        container[at] = _replaced(container, at, _value(rng))
    return tree


def _entry(rng: Random, container: Any, value: Any) -> Any:
    return (rng.choice(KEYS), value) if isinstance(container, Pairs) else value


def _replaced(container: Any, at: int, value: Any) -> Any:
    return (container[at][0], value) if isinstance(container, Pairs) else value


def _value(rng: Random) -> Any:
    kind = rng.randrange(9)
    if kind < 5:
        return rng.choice(TEXTS)
    if kind == 5:
        return rng.choice(
            (None, True, False, 0, -1, 1.5, 10**20, 1e300, [], Pairs(), Raw("7" * 4300))
        )
    if kind == 6:
        return Pairs((rng.choice(KEYS), rng.choice(TEXTS)) for _ in range(rng.randrange(4)))
    if kind == 7:
        return [Pairs([("text", rng.choice(TEXTS))]) for _ in range(rng.randrange(4))]
    return _deep(rng)


def _deep(rng: Random) -> Raw:
    """Nest a number in so many levels that all in all there may be too many."""
    levels = rng.choice((1, 3, 98, 101, *range(248, 257)))
    if rng.random() < 0.5:
        return Raw("[" * levels + "1" + "]" * levels)
    return Raw('{"a":[' * (levels // 2) + "1" + "]}" * (levels // 2))


class Speller:
    """Writes JSON as the usual programs do, or as none does."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._escaping = rng.choice(("", "", "ascii", "some"))
        self._spacing = rng.choice(((",", ":"), (", ", ": "), (", ", ": "), None))

    def spell(self, tree: Any) -> str:
        if isinstance(tree, Raw):
            return tree
        if isinstance(tree, Pairs):
            pairs = (f"{self._text(key)}{self._sign(1)}{self.spell(each)}" for key, each in tree)
            return "{" + self._sign(0).join(pairs) + "}"
        if isinstance(tree, list):
            return "[" + self._sign(0).join(map(self.spell, tree)) + "]"
        return self._text(tree) if isinstance(tree, str) else json.dumps(tree)

    def _sign(self, which: int) -> str:
        if self._spacing:
            return self._spacing[which]
        spaces = ("", " ", "  ", "\t", "\r")
        return self._rng.choice(spaces) + ",:"[which] + self._rng.choice(spaces)

    def _text(self, text: str) -> str:
        if self._escaping == "some":
            return '"' + "".join(map(self._character, text)) + '"'
        # Half a surrogate pair has no UTF-8: it can only be escaped.
        has_half = any("\ud800" <= each <= "\udfff" for each in text)
        return json.dumps(text, ensure_ascii=self._escaping == "ascii" or has_half)

    def _character(self, character: str) -> str:
        if ord(character) <= 0xFFFF and self._rng.random() < 0.3:
            escape = f"\\u{ord(character):04x}"
            return escape if self._rng.random() < 0.5 else escape.upper().replace("U", "u", 1)
        return json.dumps(character, ensure_ascii="\ud800" <= character <= "\udfff")[1:-1]
