"""Splits: the shares asked for, nothing alike in two files, every topic in each."""

from __future__ import annotations

import json
import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset.sources.conversations import Entry
from dataset.sources.files import SourceInvalid
from dataset.sources.split import Shares, shares_of, split
from lambdas.validation import Conversation, Turn
from lambdas.validation.warnings.near_duplicates import near_duplicate_groups
from lambdas.validation.warnings.sketches import normalised
from lambdas.validation.warnings.topics import Topics, pack_words
from tests.repository import DATASET

WORDS = [
    *("apple", "river", "stone", "cloud", "engine"),
    *("violet", "copper", "lantern", "orchid", "pepper"),
]


def entry(question: str, answer: str = "A", topic: str | None = None, turns: int = 1) -> Entry:
    said = (Turn("user", question), Turn("assistant", answer)) * turns
    return Entry("raw.json:1", Conversation(None, said), topic=topic)


def unlike(count: int, topics: int = 1) -> list[Entry]:
    """Make questions that have nothing in common."""
    drawn = random.Random(5)  # noqa: S311  # nothing secret is drawn
    texts = (" ".join(str(drawn.randrange(10**9)) for _ in range(6)) for _ in range(count))
    return [entry(text, topic=f"topic {n % topics}") for n, text in enumerate(texts)]


def sizes(files: tuple[list[Entry], ...]) -> tuple[int, ...]:
    return tuple(map(len, files))


def questions(entries: list[Entry]) -> list[str]:
    return [each.conversation.prompt for each in entries]


@pytest.mark.parametrize(
    ("shares", "expected"),
    [((80, 10, 10), (80, 10, 10)), ((60, 0, 40), (60, 0, 40)), ((100, 0, 0), (100, 0, 0))],
)
def test_the_shares_are_met_in_the_order_of_the_source(
    shares: Shares, expected: tuple[int, int, int]
) -> None:
    entries = unlike(100)
    files = split(entries, shares, seed=0)
    assert sizes(files) == expected
    for file in files:
        assert file == [each for each in entries if each in file]


def test_the_seed_decides_and_the_order_of_the_records_does_not() -> None:
    entries = unlike(60)
    one, again, other = (split(entries, (80, 10, 10), seed) for seed in (1, 1, 2))
    assert one == again
    assert questions(one[2]) != questions(other[2])
    turned = split(entries[::-1], (80, 10, 10), seed=1)
    assert [sorted(questions(each)) for each in turned] == [sorted(questions(each)) for each in one]


def test_the_split_is_the_same_on_every_machine() -> None:
    entries = [entry(f"{word} {word}?", word) for word in WORDS]
    assert [questions(each) for each in split(entries, (60, 20, 20), seed=7)[1:]] == [
        ["apple apple?", "river river?"],
        ["engine engine?", "lantern lantern?"],
    ]


def test_every_topic_is_spread_by_the_shares() -> None:
    files = split(unlike(240, topics=12), (80, 10, 10), seed=3)
    for file, expected in zip(files, (16, 2, 2), strict=True):
        assert set(Counter(each.topic for each in file).values()) == {expected}


def test_topics_of_one_record_each_leave_the_shares_alone() -> None:
    assert sizes(split(unlike(100, topics=100), (80, 10, 10), seed=3)) == (80, 10, 10)


ALIKE = "What does the {} of the artefact bucket in the storage stack do when a run ends {}"


@pytest.mark.slow
@settings(deadline=None, max_examples=30)  # a split takes its time on a shared machine
@given(seed=st.integers(), copies=st.lists(st.integers(1, 6), min_size=3, max_size=8))
def test_what_is_nearly_the_same_stays_in_one_file(seed: int, copies: list[int]) -> None:
    entries = unlike(20)
    for word, count in zip(WORDS, copies, strict=False):
        entries += [entry(f"{word * 9} " + ALIKE.format(word, n), f"{word}") for n in range(count)]
    files = split(entries, (60, 20, 20), seed)
    assert sum(sizes(files)) == len(entries)
    together = [set(group) for group in near_duplicate_groups(*texts(entries)).groups]
    where = {id(each): name for name, file in enumerate(files) for each in file}
    for group in together:
        assert len({where[id(entries[at])] for at in group}) == 1
    assert max(map(len, together)) >= max(copies)


def texts(entries: list[Entry]) -> tuple[list[str], list[str]]:
    return questions(entries), [each.conversation.answer for each in entries]


def words(entries: list[Entry]) -> list[bytes]:
    asked, said = ([*map(normalised, each)] for each in texts(entries))
    return [*map(pack_words, asked, said)]


def test_conversations_are_split_like_pairs() -> None:
    entries = [entry(each.conversation.prompt, turns=2) for each in unlike(30)]
    assert sizes(split(entries, (80, 10, 10), seed=0)) == (24, 3, 3)


@pytest.mark.parametrize("seed", range(4))
def test_no_question_is_on_what_training_has_too_little_of(seed: int) -> None:
    entries = [
        entry(each["question"], each["answer"], each["topic"])
        for each in json.loads((DATASET / "training.json").read_text())
    ]
    training, _, evaluation = split(entries, (80, 10, 10), seed)
    topics = Topics(words(training))
    assert topics.are_reliable
    assert len(evaluation) == 11
    assert not any(map(topics.thin, words(evaluation)))


def test_too_few_records_are_refused() -> None:
    with pytest.raises(SourceInvalid, match="no record is left for evaluation: 2 records"):
        split(unlike(2), (80, 10, 10), seed=0)
    with pytest.raises(SourceInvalid, match="no record is left for validation: 30 records"):
        split([entry("Why is it?")] * 30, (80, 10, 10), seed=0)


def test_shares_are_three_per_cents() -> None:
    assert shares_of("80/15/5") == (80, 15, 5)
    for wrong in ("80/10", "80/10/20", "0/50/50", "a/b/c", "80/10/10/0", "100/-10/10"):
        with pytest.raises(SourceInvalid, match=r"three percentages .* such as 80/10/10"):
            shares_of(wrong)
