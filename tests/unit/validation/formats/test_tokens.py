"""Token estimates: never below what tokenizers made of the same text, and not far above.

The counts were taken once, with the tokenizers named in `docs/token-counts.md`; no tokenizer is
needed here.
"""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.domain.models.catalogue import MODELS
from lambdas.validation.formats.tokens import (
    Family,
    estimate,
    estimated_tokens,
    family_of,
)
from tests.repository import DATASET

FAMILIES: tuple[Family, ...] = ("claude", "llama", "nova")

# By Claude 2's tokenizer, by Claude 3's recovered vocabulary (greedy, so too many), by Llama 3's,
# and the more of Mistral's first (32,768 tokens) and Qwen's.
COUNTED: dict[str, tuple[str, int, int, int, int]] = {
    name: (each["text"], each["claude-2"], each["claude-3"], each["llama-3"], each["other"])
    for name, each in json.loads(Path(__file__).with_name("token_counts.json").read_text()).items()
}
PROSE = [
    name for name in COUNTED if name not in {"Random letters", "Base64", "Emoji", "White space"}
]


@pytest.mark.parametrize("name", COUNTED)
def test_the_upper_estimate_is_never_below_a_tokenizers_count(name: str) -> None:
    text, claude_2, claude_3, llama, other = COUNTED[name]
    for family, true in (("claude", max(claude_2, claude_3)), ("llama", llama), ("nova", other)):
        assert estimate([text], family).most >= true  # type: ignore[arg-type]  # a tuple of str


# Tokens a character of prose, as the service or the real tokenizer counted them. Nova Lite and the
# first of Claude (3 Haiku): https://heuristicandrew.blogspot.com/2025, read 2026-11-23. Claude
# Sonnet 4.5 and Llama 3.3: https://github.com/korchasa/tldr, commit 3d341690, read 2026-11-28.
PUBLISHED: dict[str, dict[Family, tuple[float, ...]]] = {
    "English": {"nova": (0.24,), "claude": (0.28, 0.2486), "llama": (0.2387,)},
    "Finnish": {"claude": (0.4253,), "llama": (0.4112,)},
    "Russian": {"nova": (0.47,), "claude": (0.46, 0.3946), "llama": (0.3278,)},
    "Korean": {"nova": (0.98,), "claude": (0.91, 0.992), "llama": (0.6274,)},
    "Japanese": {"nova": (1.54,), "claude": (1.12,)},
    "Chinese": {"nova": (2.11,), "claude": (1.72,)},
}
LATIN = ("English", "German", "French", "Finnish", "Polish", "Turkish", "Swahili", "Welsh")
BOUNDED = (*LATIN, "Vietnamese", "Russian", "Japanese", "Chinese", "Korean")
LONG = 30  # times a sample, so that what a message adds does not count


@pytest.mark.parametrize("name", PUBLISHED)
@pytest.mark.parametrize("family", FAMILIES)
def test_published_counts_lie_between_the_bounds(name: str, family: Family) -> None:
    text = COUNTED[name][0] * LONG
    found = estimate([text], family)
    for each in PUBLISHED[name].get(family, ()):
        assert found.least <= each * len(text) <= found.most


@pytest.mark.parametrize("name", sorted({*PROSE} - {"Numbers"}))
def test_the_lower_estimate_of_prose_is_not_above_a_tokenizers_count(name: str) -> None:
    text, claude_2, claude_3, llama, other = COUNTED[name]
    for family, true in (("claude", min(claude_2, claude_3)), ("llama", llama), ("nova", other)):
        assert estimate([text], family).least <= true  # type: ignore[arg-type]  # a tuple of str


@given(
    st.lists(st.sampled_from(BOUNDED), min_size=1, max_size=8),
    st.integers(3, LONG),
    st.sampled_from(FAMILIES),
)
def test_the_bounds_of_prose_are_at_most_a_factor_of_three_apart(
    names: list[str], times: int, family: Family
) -> None:
    found = estimate(["\n".join(COUNTED[name][0] for name in names) * times], family)
    assert found.most <= 3 * found.least + 8  # of the message
    counts = [COUNTED[name][1:] for name in names]
    of_family = {"claude": (0, 1), "llama": (2,), "nova": (3,)}[family]
    low, high = (sum(pick(each[at] for at in of_family) for each in counts) for pick in (min, max))
    assert found.least <= low * times + len(names) * times
    assert found.most >= high * times


def test_a_long_japanese_record_has_useful_bounds() -> None:
    # 66,500 characters once had "between 11,083 and 199,523 tokens".
    text = (COUNTED["Japanese"][0] * 1128)[:66_500]
    found = estimate([text], "claude")
    assert found.least > 44_000
    assert found.most < 140_000


def test_keywords_of_long_lists_are_not_counted_as_another_language() -> None:
    # A token is a word here; without common words, English is not told from other languages.
    assert estimate(["word " * 10_000], "claude").least <= 10_000


def test_indentations_are_hardly_counted() -> None:
    code = "def f():\n" + "            return word\n" * 1000
    flat = code.replace("  ", "")
    spaces = len(code) - len(flat)
    grown = estimate([code], "claude").expected - estimate([flat], "claude").expected
    assert 0 < grown <= 0.11 * spaces


@pytest.mark.parametrize("name", COUNTED)
def test_no_text_has_more_tokens_than_bytes(name: str) -> None:
    text = COUNTED[name][0]
    assert estimate([text], "nova").most <= len(text.encode()) + 8


@pytest.mark.parametrize("name", PROSE)
def test_what_is_expected_is_near_the_counts(name: str) -> None:
    text, claude_2, claude_3, llama, other = COUNTED[name]
    ranges = {"claude": (claude_2, claude_3), "llama": (llama, llama), "nova": (other, other)}
    for family in FAMILIES:
        low, high = ranges[family]
        assert 0.6 * low <= estimate([text], family).expected <= 2.3 * high


def test_english_is_expected_within_a_quarter() -> None:
    # The 108 training answers, counted once: 6,756 tokens of Llama 3, 6,991 of Claude 2.
    texts = [each["answer"] for each in json.loads((DATASET / "training.json").read_text())]
    found = estimate(["\n".join(texts)], "llama")
    assert 6756 <= found.expected <= 1.25 * 6756
    assert 6991 < found.most < 2 * 6756


def test_random_letters_among_english_are_counted_as_such() -> None:
    chance = random.Random(3)  # noqa: S311  # no secret: a repeatable choice
    noise = "".join(chance.choices("abcdefghijklmnopqrstuvwxyz", k=4000))
    english = COUNTED["English"][0] * 30
    both = estimate([english + noise], "claude").most
    assert both >= 0.54 * len(noise) + 25 * 30  # what Claude 2's tokenizer makes of the two


@given(st.text(max_size=300), st.sampled_from(FAMILIES))
def test_least_expected_and_most_are_in_order(text: str, family: Family) -> None:
    found = estimate([text], family)
    assert 0 <= found.least <= found.expected <= found.most


def test_empty_texts_count_nothing() -> None:
    assert estimated_tokens(["", ""]) == 0
    assert estimate([], "nova").most == 0


def test_each_message_adds_the_formats_own_words() -> None:
    assert estimate(["a"], "claude").most < estimate(["a", "a"], "claude").most


def test_every_model_has_a_family() -> None:
    families = {model.key: family_of(model) for model in MODELS.values()}
    assert families["claude-3-haiku"] == "claude"
    assert families["nova-micro"] == "nova"
