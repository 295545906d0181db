"""Near-duplicates: what counts as one, what does not, and how many of the planted are found."""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Callable
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambdas.validation.warnings import sketches
from lambdas.validation.warnings.near_duplicates import (
    MOST_COMPARED,
    NearPairs,
    near_duplicate_groups,
)
from lambdas.validation.warnings.sketches import (
    NEAR,
    SKETCH_HASHES,
    normalised,
    similarity,
    sketch_text,
)
from tests.article import ARTICLE, needs_article
from tests.repository import DATASET


def pairs(texts: list[str]) -> set[tuple[int, int]]:
    return {(a, b) for a, b, _ in NearPairs([sketch_text(text) for text in texts])}


def questions() -> list[str]:
    return [
        each["question"]
        for name in ("training", "validation", "evaluation")
        for each in json.loads((DATASET / f"{name}.json").read_text())
    ]


def answers() -> list[str]:
    return [each["answer"] for each in json.loads((DATASET / "training.json").read_text())]


def shingles(text: str, length: int = 5) -> set[str]:
    text = normalised(text)
    return {text[at : at + length] for at in range(len(text) - length + 1)}


def edited(text: str, share: float, chance: random.Random) -> str:
    words = text.split()
    for _ in range(max(1, round(share * len(words)))):
        at = chance.randrange(len(words))
        words[at] = chance.choice(["", "another", "changed", words[at].upper(), words[at] + "s"])
    return " ".join(word for word in words if word)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            "Which foundation models does Amazon Bedrock offer today?",
            "which foundation models does amazon bedrock offer  TODAY",
        ),
        (
            "How can an application stream the reply of a model from Bedrock?",
            "How can an application stream the replies of a model from Bedrock?",
        ),
        (
            "基盤モデルを微調整するには何が必要ですか。",
            "基盤モデルを微調整するには、何が必要ですか?",
        ),
        ("Ｎｏｖａ　Ｍｉｃｒｏの料金はいくらですか", "Nova Microの料金はいくらですか"),  # noqa: RUF001  # same
    ],
)
def test_texts_that_differ_in_little_are_near(one: str, other: str) -> None:
    assert similarity(sketch_text(one), sketch_text(other)) >= NEAR
    assert near_duplicate_groups([one, "Something else entirely.", other]).groups == [[0, 2], [1]]


@pytest.mark.parametrize(
    "hidden",
    [
        "\u200b",
        "\u00ad",
        "\u2060",
        "\ufeff",
        "\u034f",
        "\u3164",
        "\ufe0f",
        "\U000e0041",
        "\b",
        "\x7f",
    ],
    ids=ascii,
)
def test_what_nobody_sees_makes_no_other_text(hidden: str) -> None:
    for text in ("Which term does throughput have?", "料金はいくらですか"):
        assert normalised(hidden.join(text)) == normalised(text)


def test_other_marks_between_the_words_make_no_other_text() -> None:
    assert normalised("Which_term -- does THROUGHPUT\thave") == "which term does throughput have"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("What is the capital of France?", "What is the capital of Spain?"),
        ("How do I start a training job?", "Why did my deployment fail?"),
        ("料金はいくらですか", "期限はいつですか"),
        ("", "x"),
    ],
)
def test_texts_that_ask_something_else_are_not(one: str, other: str) -> None:
    assert near_duplicate_groups([one, other]).groups == [[0], [1]]


@pytest.mark.parametrize("seed", range(8))
def test_a_common_template_makes_no_duplicates(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the hash: beside the template, no two share a quarter of their shingles.

    Of those that share nearly half, which is one long word of two, a few are taken for near.
    """
    numbers = np.random.default_rng(seed).integers(0, 1 << 31, (5, 1 << 16), np.uint32) * 2
    monkeypatch.setattr(sketches, "_tables", lambda length: numbers[:length])
    template = "Answer the question of our customer politely and in two sentences. The question: {}"
    long = [word for answer in answers() for word in answer.split() if len(word) > 5]
    words = [*{normalised(word)[:5]: word for word in sorted(long)}.values()]
    texts = [template.format(f"{words[at]} {words[-at - 1]}") for at in range(0, 300, 3)]
    assert len(texts) > 30
    assert not pairs(texts)
    made = combinations(map(sketch_text, texts), 2)
    assert max(similarity(one, other) for one, other in made) > NEAR


def test_groups_are_transitive_and_hold_each_position_once() -> None:
    text = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen"
    chain = [text, text.replace("one", "uno"), text.replace("one", "uno").replace("two", "due")]
    assert near_duplicate_groups([*chain, "alone"]).groups == [[0, 1, 2], [3]]


def test_answers_group_questions_that_share_one() -> None:
    answer = answers()[0]
    asked = ["What is it?", "Please explain the service to me.", "And this?"]
    groups = near_duplicate_groups(asked, [answer, answer.replace("managed ", ""), "Yes."])
    assert groups.groups == [[0, 1], [2]]
    assert near_duplicate_groups(["a?", "b?"], ["Yes.", "Yes."]).groups == [[0], [1]]


def test_the_estimate_is_near_the_exact_index() -> None:
    chance = random.Random(5)  # noqa: S311  # no secret: a repeatable choice
    errors = []
    for text in answers():
        other = edited(text, 0.1, chance)
        exact = len(shingles(text) & shingles(other)) / len(shingles(text) | shingles(other))
        errors.append(similarity(sketch_text(text), sketch_text(other)) - exact)
    assert abs(sum(errors) / len(errors)) < 0.03
    assert (sum(error**2 for error in errors) / len(errors)) ** 0.5 < 0.09


def test_planted_edits_are_found_and_nothing_else() -> None:
    chance = random.Random(7)  # noqa: S311  # same
    originals = answers()
    copies = [edited(text, 0.04, chance) for text in originals]
    found = pairs([*originals, *copies])
    planted = {(at, at + len(originals)) for at in range(len(originals))}
    assert len(found & planted) / len(planted) >= 0.97
    assert len(found - planted) == 0


def test_the_projects_own_questions_are_all_different() -> None:
    assert not pairs(questions())


@needs_article
def test_the_reports_leak_between_validation_and_evaluation_is_found() -> None:
    asked = [
        each["question"]
        for name in ("validation", "evaluation")
        for each in json.loads((ARTICLE / f"{name}.json").read_text())
    ]
    groups = [each for each in near_duplicate_groups(asked).groups if len(each) > 1]
    assert [[asked[at] for at in each] for each in groups] == [
        ["What can you do with Amazon Bedrock?"] * 2
    ]


def test_thousands_of_copies_are_one_group() -> None:
    text = " ".join(questions()[:3])
    assert near_duplicate_groups([text] * 2000 + [text.upper()] * 1000).groups == [[*range(3000)]]


@settings(max_examples=60)
@given(st.lists(st.text(max_size=80), max_size=12))
def test_any_texts_are_partitioned(texts: list[str]) -> None:
    groups = near_duplicate_groups(texts).groups
    assert sorted(at for group in groups for at in group) == list(range(len(texts)))


@pytest.mark.slow
@settings(max_examples=200)
@given(st.randoms(use_true_random=False), st.integers(1, 90))
def test_any_two_texts_as_alike_as_that_are_found(chance: random.Random, size: int) -> None:
    hashes = range(0, 1 << 32, 2)  # the lowest bit is free
    common = chance.sample(hashes, size)
    made = set()
    for _ in range(4):
        kept = chance.sample(common, max(1, size - chance.randint(0, 1 + size // 5)))
        own = chance.sample(hashes, chance.randint(0, 1 + size // 5))
        smallest = sorted({*kept, *own})[:SKETCH_HASHES]
        made.add(struct.pack(f"<{len(smallest)}I", *smallest))
    sketches = sorted(made)  # copies have the pairs of their original only
    near = {
        (a, b)
        for a, b in combinations(range(len(sketches)), 2)
        if similarity(sketches[a], sketches[b]) >= NEAR
    }
    assert {(a, b) for a, b, _ in NearPairs(sketches)} == near


@given(st.text(max_size=300))
def test_a_sketch_is_small_and_like_itself(text: str) -> None:
    sketch = sketch_text(text)
    assert len(sketch) <= 4 * SKETCH_HASHES
    assert similarity(sketch, sketch) == (1 if sketch else 0)


def test_a_long_text_costs_little_and_is_found_after_an_insertion() -> None:
    text = " ".join(answers() * 3)
    sketch = sketch_text(text)
    assert similarity(sketch, sketch_text("An insertion at the start. " + text)) > NEAR


def sketches_of(kind: str, count: int) -> list[bytes]:
    """Make files that tempt a comparison of everything with everything."""
    chance = random.Random(3)  # noqa: S311  # no secret: a repeatable choice
    words = sorted({word for answer in answers() for word in answer.split()})
    made: dict[str, Callable[[int], str]] = {
        "copies": lambda _: answers()[0],
        "template": lambda at: f"What does order {at} of our customer cost, with shipping and tax?",
        "edited": lambda at: edited(answers()[at % 3], 0.05, chance),
        "random": lambda _: " ".join(chance.choices(words, k=30)),
    }
    return [sketch_text(made[kind](at)) for at in range(count)]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["copies", "template", "edited", "random"])
def test_comparisons_grow_with_the_texts_and_not_with_their_pairs(kind: str) -> None:
    few, many = (NearPairs(sketches_of(kind, count)) for count in (300, 1200))
    pairs = [sum(1 for _ in each) for each in (few, many)]
    assert few.comparisons <= 300 * MOST_COMPARED
    assert many.comparisons <= 1200 * MOST_COMPARED
    assert pairs[1] <= 1200 * MOST_COMPARED


def test_copies_cost_no_comparison_and_have_the_pairs_of_their_original() -> None:
    text = answers()[0]
    near = text.replace("managed ", "")
    found = NearPairs([sketch_text(each) for each in [text] * 500 + [near] * 500])
    pairs = {(earlier, later) for earlier, later, _ in found}
    assert found.comparisons == 1
    assert {(0, at) for at in range(1, 1000)} <= pairs
    assert {(500, at) for at in range(501, 1000)} <= pairs
    assert not found.incomplete


def test_texts_that_resemble_too_many_are_known_by_name() -> None:
    alike = [edited(answers()[0], 0.02, random.Random(at)) for at in range(60)]  # noqa: S311  # same
    found = NearPairs([*sketches_of("random", 800), *map(sketch_text, alike)])
    near = {later for _, later, _ in found}
    assert found.incomplete
    assert found.incomplete <= near
    assert min(found.incomplete) >= 800 + MOST_COMPARED


def test_groups_compare_more_texts_than_a_check() -> None:
    alike = [edited(answers()[0], 0.02, random.Random(at)) for at in range(28)]  # noqa: S311  # same
    groups, cut = near_duplicate_groups(alike)
    assert groups == [[*range(28)]]
    assert not cut


def test_sketches_that_leave_out_what_differs_are_still_compared_with_others() -> None:
    template = (
        "What does a model unit of provisioned throughput cost in the region of {}, order {}?"
    )
    towns = ["Long", "Oslo", "Bern", "Riga", "Rome", "Kyiv", "Lima", "Baku"]
    texts = [template.format(towns[at % 8], at // 8) for at in range(600)]
    sketches = [sketch_text(text) for text in texts]
    copies = {at for at, each in enumerate(sketches) if sketches.index(each) != at}
    found = {(earlier, later) for earlier, later, _ in NearPairs(sketches, effort=40)}
    turned = NearPairs(sketches[::-1], effort=40)
    last = len(texts) - 1
    assert copies
    joined = {at for pair in found for at in pair}
    assert joined == {last - at for earlier, later, _ in turned for at in (earlier, later)}
