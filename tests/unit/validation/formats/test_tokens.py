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
    least_tokens,
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


@given(st.lists(st.text(max_size=60), max_size=5))
def test_the_lower_estimate_is_below_the_upper(texts: list[str]) -> None:
    assert least_tokens(texts) <= estimated_tokens(texts)


def test_empty_texts_count_nothing() -> None:
    assert estimated_tokens(["", ""]) == 0
    assert estimate([], "nova").most == 0


def test_each_message_adds_the_formats_own_words() -> None:
    assert estimate(["a"], "claude").most < estimate(["a", "a"], "claude").most


def test_every_model_has_a_family() -> None:
    families = {model.key: family_of(model) for model in MODELS.values()}
    assert families["claude-3-haiku"] == "claude"
    assert families["nova-micro"] == "nova"
