"""Whatever a record is made of: it comes out, or is refused or skipped, and each loss is named."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dataset.commands.prepare import Prepared, PrepareOptions, prepare
from dataset.sources.files import SourceInvalid
from lambdas.domain.models.catalogue import MODELS

# Every text of a record is a word of its own, which can be found again.
WORD = re.compile(r"w\d+w")
# Read, but of training records nothing is written from them: they label the split and examples.
LABELS = {"id", "topic", "category", "schemaVersion"}
KEYS = (
    *("question", "answer", "prompt", "completion", "instruction", "input", "output", "context"),
    *("system", "history", "topic", "id", "note", "reasoning", "質問", "回答", "messages", "text"),
    *("image", "tools", "chosen", "rejected", "label", "contents", "answers"),
)
MESSAGE_KEYS = (
    *("role", "content", "name", "weight", "train", "tool_calls", "refusal", "thinking", "from"),
    "value",
)
BLOCK_KEYS = ("text", "type", "value", "image", "toolUse", "cache_control", "thinking")
TYPES = ("text", "thinking", "image_url")
ROLES = ("user", "assistant", "system", "developer", "human", "gpt", "tool")

numbers = itertools.count()
words = st.builds(lambda: f"w{next(numbers)}w")
blanks = st.sampled_from(["", " ", None, []])
leaves = st.one_of(words, words, words, blanks, st.sampled_from([0, 1, False, True]))


def objects(keys: tuple[str, ...], values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.dictionaries(st.sampled_from(keys), values, max_size=5)


blocks = objects(BLOCK_KEYS, leaves).flatmap(
    lambda block: st.sampled_from(TYPES).map(
        lambda kind: block | ({"type": kind} if "type" in block else {})
    )
)
contents = st.one_of(words, words, leaves, st.lists(blocks, min_size=1, max_size=2))


@st.composite
def messages(draw: st.DrawFn) -> list[Any]:
    said = []
    for role in ("user", "assistant") * draw(st.integers(1, 2)):
        message = draw(objects(MESSAGE_KEYS, leaves)) if draw(st.booleans()) else {}
        message |= {"role": role, "content": draw(contents)}
        if draw(st.integers(0, 9)) == 0:
            message["role"] = draw(st.sampled_from(ROLES))
        said.append(message)
    if draw(st.booleans()):
        said.insert(0, {"role": draw(st.sampled_from(ROLES)), "content": draw(contents)})
    return said


@st.composite
def records(draw: st.DrawFn) -> dict[str, Any]:
    record = draw(objects(KEYS, st.one_of(leaves, st.lists(words, max_size=2), blocks)))
    if draw(st.booleans()):
        record["messages"] = draw(messages())
    elif draw(st.booleans()):
        record |= {"question": draw(words), "answer": draw(words)}
    if draw(st.booleans()):
        record["history"] = [[draw(words), draw(words)]]
    return record


def words_of(value: object, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield each word with the path of its key, as notes give it."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from words_of(inner, f"{path}.{key}".removeprefix("."))
    elif isinstance(value, list):
        for inner in value:
            yield from words_of(inner, f"{path}[]")
    elif isinstance(value, str):
        yield from ((word, path) for word in WORD.findall(value))


def ignored(prepared: Prepared) -> list[str]:
    notes = (note for note in prepared.notes if ": ignored '" in note)
    return [key for note in notes for key in re.findall(r"'([^']*)'", note)]


def is_named(path: str, named: list[str]) -> bool:
    """Say whether a note names the path, or what it lies in, or all but the first of a list."""
    return any(
        path == name or path.startswith((f"{name}.", f"{name}[")) or name == f"{path[:-2]}[1:]"
        for name in named
    )


@pytest.mark.slow
@settings(deadline=None, max_examples=100)  # a machine may be busy
@given(given=st.lists(records(), min_size=1, max_size=4), model=st.sampled_from(sorted(MODELS)))
@example(
    given=[
        {
            "messages": [
                {
                    "role": "system",
                    "content": [{"text": "w1w"}, {"text": "w2w", "thinking": "w3w"}],
                },
                {"role": "user", "content": "w4w"},
                {"role": "assistant", "content": "w5w"},
            ]
        }
    ],
    model="claude-3-haiku",
)
def test_no_record_and_no_text_vanishes_unsaid(given: list[dict[str, Any]], model: str) -> None:
    good = {"question": "Why?", "answer": "So."}
    with TemporaryDirectory() as scratch:
        path, out = Path(scratch) / "raw.jsonl", Path(scratch) / "out"
        path.write_text("".join(json.dumps(each) + "\n" for each in [good, *given]))
        options = PrepareOptions(split="100/0/0", skip=True)
        prepared = prepare(path, out, MODELS[model], options)
        written = (out / "training.jsonl").read_text().splitlines()
        problems = whole_problems(path, Path(scratch) / "none", model)
    skipped = sum(
        int(count) for note in prepared.notes for count in re.findall(r"skipped (\d+) record", note)
    )
    kept = [each for number, each in enumerate(given, start=2) if number not in problems]
    assert len(written) + skipped == 1 + len(given)
    assert skipped == len(problems)
    out_words = set(WORD.findall("".join(written)))
    for record in kept:
        for word, where in words_of(record):
            assert (
                word in out_words
                or where.partition("[")[0] in LABELS
                or is_named(where, ignored(prepared))
            ), (word, where, record, prepared.notes)


def whole_problems(path: Path, out: Path, model: str) -> set[int]:
    """Return the lines that are refused, by preparing each alone."""
    refused = set()
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        alone = path.with_name("alone.jsonl")
        alone.write_text(line)
        try:
            prepare(alone, out, MODELS[model], PrepareOptions(split="100/0/0"))
        except SourceInvalid:
            refused.add(number)
    return refused


def test_a_word_that_vanishes_is_noticed() -> None:
    assert not is_named("messages[].content[].text", ["messages[].name", "note"])
    assert is_named("messages[].name", ["messages[].name"])
    assert is_named("answers[]", ["answers[1:]"])
