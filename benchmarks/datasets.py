"""Synthetic training files for Claude 3 Haiku, the same on every run, also read as from S3."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lambdas.validation import FileSource, make_record

_ENGLISH = (
    "The service checks each record of the training file, and it reports what is wrong with it. ",
    "A model unit serves a number of tokens in a minute; the price is counted by the hour. ",
    'The guide calls this a "customization job" and asks for two files in one bucket. ',
    "- Step: choose a learning rate, then look at the validation loss of every epoch.\n",
)
_JAPANESE = (
    "学習データの各行は利用者と助手の発言を交互に並べた記録です。",
    "推論の費用は入力と出力のトークン数によって決まります。",
    "検証用の損失が上がり始めたら、過学習を疑ってください。\n",
)
_SYSTEM = "You answer questions about Amazon Bedrock briefly and correctly."


@dataclass(frozen=True)
class Kind:
    """A kind of file: how long its lines are, what they are written in, and whether rightly."""

    text: str  # mixed, ascii or escaped
    line_bytes: int
    faulty: bool = False

    def __str__(self) -> str:
        faults = ", every record wrong" if self.faulty else ""
        return f"{self.text}, {self.line_bytes // 1000} KB{faults}"


KINDS = tuple(
    Kind(text, size, faulty)
    for faulty in (False, True)
    for text in ("mixed", "ascii", "escaped")
    for size in (2_000, 20_000, 190_000)  # a longer one in English would have too many tokens
)


def write_file(path: Path, kind: Kind, size_bytes: int) -> Path:
    """Write a file of about `size_bytes`; one run of lines is repeated after 2 MB."""
    lines = _lines(kind)
    block = b""
    while len(block) < min(size_bytes, 2_000_000):
        block += next(lines)
    with path.open("wb") as file:
        for _ in range(max(1, round(size_bytes / len(block)))):
            file.write(block)
    return path


def write_records(path: Path, count: int, line_bytes: int) -> None:
    """Write records of plain made-up words, no two alike, with words as unequal as a language's."""
    text = _made_up(random.Random(line_bytes))  # noqa: S311  # needs no secret randomness
    room = line_bytes - 150
    with path.open("w") as file:
        for _ in range(count):
            question, answer = text(room // 4), text(room - room // 4)
            record = make_record("claude-messages", _SYSTEM, question, answer)
            file.write(json.dumps(record) + "\n")


def write_questions(path: Path, count: int) -> None:
    """Write evaluation examples of words as those of records of 250 bytes."""
    text = _made_up(random.Random(250))  # noqa: S311  # needs no secret randomness
    with path.open("w") as file:
        for at in range(count):
            example = {"id": str(at), "question": text(40), "reference_answer": text(60)}
            file.write(json.dumps(example) + "\n")


def _made_up(rng: random.Random) -> Callable[[int], str]:
    """Return what makes up a text of at least so many characters."""
    parts = """ba con der el fin ga ho in jo ka la mi no per qua re sta ti un ver able ing ous"""
    syllables = parts.split()
    words = ["".join(rng.choices(syllables, k=rng.randint(1, 3))) for _ in range(6000)]

    def text(size: int) -> str:
        said = ""
        while len(said) < size:
            chosen = (words[int(2 ** (rng.random() * 12.5))] for _ in range(rng.randint(6, 16)))
            said += " ".join(chosen).capitalize() + ". "
        return said.strip()

    return text


def _lines(kind: Kind) -> Iterator[bytes]:
    """Yield lines of a kind without end."""
    rng = random.Random(str(kind))  # noqa: S311  # made-up text needs no secret randomness
    fault = 0
    while True:
        line = json.dumps(_record(kind, rng), ensure_ascii=kind.text == "escaped")
        if kind.faulty:
            line = _FAULTS[fault % len(_FAULTS)](line)
            fault += 1
        yield line.encode() + b"\n"


def _record(kind: Kind, rng: random.Random) -> dict[str, Any]:
    room = kind.line_bytes - 200
    question, answer = _text(kind, rng, room // 4), _text(kind, rng, room - room // 4)
    return {
        "system": _SYSTEM,
        "messages": [
            {"role": "user", "content": question},
            {"role": "assistant", "content": answer},
        ],
    }


def _text(kind: Kind, rng: random.Random, size_bytes: int) -> str:
    pool = {"ascii": _ENGLISH, "escaped": _JAPANESE}.get(kind.text, _ENGLISH + _JAPANESE)
    escaped = 6 if kind.text == "escaped" else 1
    parts, size = [], 0
    while size < size_bytes:
        part = rng.choice(pool)
        parts.append(part)
        size += len(part) * escaped if escaped > 1 else len(part.encode())
    return "".join(parts)


# Only faults that other validators survive: a tool that crashes has no speed.
_FAULTS: tuple[Callable[[str], str], ...] = (
    lambda line: line.replace('"role": "user"', '"role": "human"'),
    lambda line: line.replace('"role": "user"', '"role": "assistant"'),
    lambda line: line.replace('"role": "assistant"', '"role": "user"'),
    lambda line: line[:-20],
    lambda line: line.replace('"content": "', '"content": "\\nHuman: ', 1),
    lambda line: line.replace('{"role": "user"', '{"role": "system"'),
    lambda line: line.replace('"system": "', '"system": "\\nAssistant: ', 1),
)


@dataclass(frozen=True)
class CappedSource(FileSource):
    """A file whose every reader has a speed limit, as every connection to S3 has."""

    bytes_per_second: float
    connections: int  # that a check may open at once

    def read(self, start: int, stop: int) -> bytes:
        due = time.monotonic() + (stop - start) / self.bytes_per_second
        content = super().read(start, stop)
        time.sleep(max(0.0, due - time.monotonic()))
        return content
