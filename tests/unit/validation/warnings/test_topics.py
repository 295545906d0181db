"""Topics: the published report's weak question is named, and well-covered ones are not."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from lambdas.validation.warnings.sketches import normalised
from lambdas.validation.warnings.topics import MOST_WORDS, Topics, pack_words
from tests.article import ARTICLE, needs_article
from tests.repository import DATASET

SUBJECTS = ("coffee", "trains", "violins", "glaciers", "chess", "tax law")


def packed(prompt: str, answer: str) -> bytes:
    return pack_words(normalised(prompt), normalised(answer))


def records(path: Path, prompt: str = "question", answer: str = "answer") -> list[bytes]:
    return [packed(each[prompt], each[answer]) for each in json.loads(path.read_text())]


def training(per_subject: int = 6, extra: Sequence[tuple[str, str]] = ()) -> list[bytes]:
    aspects = ("price", "history", "repair", "teaching", "storage", "export", "insurance", "smell")
    made = [
        packed(
            f"What should I know about the {aspect} of {subject}?",
            f"The {aspect} of {subject} depends on the season, and {subject} differ in {aspect}.",
        )
        for subject in SUBJECTS
        for aspect in aspects[:per_subject]
    ]
    return [*made, *(packed(prompt, answer) for prompt, answer in extra)]


LONELY = ("How do submarines dive?", "Submarines dive by flooding ballast tanks with water.")


def test_a_question_on_a_lonely_record_is_thin() -> None:
    topics = Topics(training(extra=[LONELY]))
    found = topics.thin(packed("Why can submarines dive?", "Their ballast tanks are flooded."))
    assert found is not None
    assert found[0] == len(SUBJECTS) * 6
    assert topics.is_isolated(found[0])


def test_a_question_on_nothing_in_training_is_thin() -> None:
    found = Topics(training()).thin(packed("Who invented radar?", "Watson-Watt, in 1935."))
    assert found is not None
    assert found[1] == 0


def test_a_question_on_a_covered_topic_is_not() -> None:
    topics = Topics(training(extra=[LONELY]))
    asked = packed("Can violins be bought cheaply?", "The price of violins varies.")
    assert topics.thin(asked) is None


def test_a_question_without_words_is_not() -> None:
    assert Topics(training()).thin(packed("???", "42")) is None


def test_few_records_tell_nothing() -> None:
    assert Topics(training(1)).thin(packed("Who invented radar?", "Watson-Watt.")) is None


def test_records_that_are_all_on_other_things_tell_nothing() -> None:
    words = "abcdefghijklmnopqrstuvwxyz"
    texts = [f"{a * 3}{b * 2} {b * 4}{a}" for a in words for b in words[:2]]
    topics = Topics([packed(text, "positive") for text in texts])
    assert not topics.are_reliable
    assert topics.thin(packed("zebra unicorn", "negative")) is None


def test_words_that_differ_in_one_letter_are_others() -> None:
    assert len(packed("most", "cost host post ghost")) == 4 * 4
    assert packed("policies", "") == packed("policy", "")


def test_japanese_gives_words() -> None:
    covered = [
        (f"{subject}の{aspect}は？", f"{subject}の{aspect}は季節によります。")  # noqa: RUF001  # real text
        for subject in ("コーヒー", "鉄道", "氷河", "将棋", "バイオリン")
        for aspect in ("価格", "歴史", "修理", "輸出", "保管")
    ]
    topics = Topics([packed(*each) for each in covered])
    assert topics.thin(packed("鉄道はいつ始まりましたか。", "鉄道の歴史は長いです。")) is None
    assert topics.thin(packed("潜水艦はどう潜りますか。", "潜水艦はタンクに注水します。"))


def test_the_projects_own_evaluation_is_covered() -> None:
    topics = Topics(records(DATASET / "training.json"))
    questions = records(DATASET / "evaluation.json", answer="reference_answer")
    assert topics.are_reliable
    assert [at for at, each in enumerate(questions) if topics.thin(each)] == []


@needs_article
def test_of_the_reports_questions_the_one_on_agents_is_thin() -> None:
    topics = Topics(records(ARTICLE / "training.json", "sentence1", "sentence2"))
    examples = json.loads((ARTICLE / "evaluation.json").read_text())
    thin = {
        each["question"]: found
        for each in examples
        if (found := topics.thin(packed(each["question"], each["answer"])))
    }
    assert list(thin) == ["What are Agents for Amazon Bedrock?"]
    assert thin["What are Agents for Amazon Bedrock?"][0] == 4  # the only record on agents


@given(st.text(max_size=500), st.text(max_size=500))
def test_any_text_can_be_packed(prompt: str, answer: str) -> None:
    words = packed(prompt, answer)
    assert len(words) <= 4 * MOST_WORDS
    Topics([words] * 25).thin(words)
