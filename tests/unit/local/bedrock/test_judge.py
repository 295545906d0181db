"""The offline judge of training records."""

from __future__ import annotations

import pytest

from lambdas.domain.evaluation.prompt_files import review
from local.bedrock.inference.judge import is_review, judge_correctness
from local.bedrock.inference.judge import review as offline_review


@pytest.mark.parametrize(
    ("system", "question", "answer", "criterion", "at_most"),
    [
        ("", "What is S3?", "...", "correct", 1),
        ("", "What is S3?", "I don't know anything about this, sorry.", "correct", 3),
        ("", "What is S3?", "TODO", "grounded", 2),
        ("", "When? " + "The bucket was made in 2019. " * 20, "In 2021.", "grounded", 4),
        ("", "What is S3?", "S3 is object storage that keeps many files and", "clear", 5),
        ("", "What is S3?", "S3 is storage. S3 is storage.", "clear", 4),
        ("Answer in Japanese.", "What is S3?", "It is S3.", "consistent", 3),
        ("Answer in one sentence.", "What is S3?", "S3 stores. It keeps.", "consistent", 3),
        ("Answer with valid JSON.", "What is S3?", "It is S3.", "consistent", 3),
    ],
)
def test_the_offline_judge_reads_the_record(
    system: str, question: str, answer: str, criterion: str, at_most: int
) -> None:
    found = offline_review(system, question, answer)
    assert found[criterion] <= at_most
    assert review("en").parse(found)["score"] <= at_most
    fine = offline_review("", "What is S3?", "S3 is object storage.")
    assert fine[criterion] > at_most


@pytest.mark.parametrize(
    ("question", "reference", "right"),
    [
        (
            "How long is the warranty of the hub?",
            "The warranty of the hub runs for two years from the day of purchase.",
            "From the day of purchase the hub's warranty runs two years.",
        ),
        (
            "ハブの保証期間はどのくらいですか。",
            "ハブの保証期間は購入日から2年間です。製造上の不具合が対象です。",
            "購入日から2年間がハブの保証期間で、対象は製造上の不具合です。",
        ),
    ],
    ids=["English", "Japanese"],
)
def test_the_offline_judge_tells_words_apart(question: str, reference: str, right: str) -> None:
    wrong = (
        "ランプが白く点滅するまで待ちます。" if "ハブ" in question else "Wait for a white blink."
    )
    assert judge_correctness(question, reference, right)[0] >= 9
    assert judge_correctness(question, reference, wrong)[0] <= 2


def test_the_offline_judge_knows_a_review_by_its_schema() -> None:
    assert is_review(review("en").tool_schema)
    assert not is_review({"properties": {"score": {}, "reason": {}}})
