"""ROUGE-L and chrF by hand-worked values, in scripts with and without spaces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.domain.evaluation.similarity.overlap import (
    chrf,
    chrf_signature,
    length_ratio,
    rouge_l,
    tokens,
)

# Tokens in common and in order, of the answer, of the reference.
BY_HAND = [
    ("the cat sat on the mat", "The cat is on the mat.", 5, 6, 6),
    ("mat the on", "on the mat", 1, 3, 3),
    ("a fee of $3.50", "the fee is 3.50", 3, 5, 5),
    ("猫が好き", "犬が好き", 3, 4, 4),
    ("サーバー", "サーバ", 3, 4, 3),
    ("ＡＷＳの料金", "AWSの料金", 4, 4, 4),
    ("ｻｰﾊﾞｰを止める", "サーバーを停止する", 7, 8, 9),
    ("Bedrockで微調整する", "Amazon Bedrockの微調整", 4, 7, 6),
    ("微调需要数据", "微调模型需要训练数据", 6, 6, 10),
    ("모델은 한국어를", "모델은 한국어도", 1, 2, 2),
    ("हिन्दी में", "हिन्दी", 1, 2, 1),
    ("สวัสดี", "สวัสดีครับ", 4, 4, 7),
]


@pytest.mark.parametrize(("answer", "reference", "common", "said", "expected"), BY_HAND)
def test_rouge_l_by_hand(
    answer: str, reference: str, common: int, said: int, expected: int
) -> None:
    precision, recall = common / said, common / expected
    by_hand = 2 * precision * recall / (precision + recall)
    assert rouge_l(answer, reference) == pytest.approx(by_hand)


def test_words_keep_their_marks_and_characters_stand_alone() -> None:
    assert tokens("Straße, naïve: ひらがな ﾃﾞｰﾀ 2.5 snake_case हिन्दी") == [
        *("strasse", "naïve", "ひ", "ら", "が", "な", "デ", "ー", "タ"),
        *("2", "5", "snake", "case", "हिन्दी"),
    ]


@pytest.mark.parametrize(
    ("answer", "reference", "score"),
    [
        ("微調整の料金は時間で決まる", "微調整の料金は時間で決まる", 100),
        ("猫", "犬", 0),
        ("猫が好き", "犬が好き", 47.9167),  # 3/4, 2/3, 1/2 and 0 of the n-grams: their mean
        ("ＡＷＳの料金", "AWSの料金", 100),
        ("", "料金", 0),
    ],
)
def test_chrf_by_hand(answer: str, reference: str, score: float) -> None:
    assert chrf(answer, reference) == pytest.approx(score, abs=1e-4)


def test_chrf_says_which_it_is() -> None:
    assert chrf_signature() == "nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no|version:2.6.0"


@pytest.mark.parametrize(("answer", "reference"), [("", "a"), ("a", ""), ("", ""), ("?!", "a")])
def test_nothing_said_has_nothing_in_common(answer: str, reference: str) -> None:
    assert rouge_l(answer, reference) == 0


@given(st.text(), st.text(min_size=1))
def test_any_texts_have_scores(answer: str, reference: str) -> None:
    assert 0 <= rouge_l(answer, reference) <= 1
    assert -1e-9 <= chrf(answer, reference) <= 100 + 1e-9
    assert rouge_l(answer, reference) == rouge_l(reference, answer)


def test_length_is_relative_to_the_reference() -> None:
    assert length_ratio("  abcdef\n", "abc") == 2
    assert length_ratio("", "abc") == 0
