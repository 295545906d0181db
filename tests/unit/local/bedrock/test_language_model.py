"""The small model that losses and answers come from: it has to learn, and only what it is given."""

from __future__ import annotations

import json
import random
from statistics import fmean

import pytest

from local.bedrock.customization.language_model import Fitted, TrainingPair, fit
from local.bedrock.inference.conversations import Conversation
from local.bedrock.inference.generation import answer_base, answer_tuned
from local.bedrock.inference.judge import judge_correctness
from tests.repository import DATASET

pytestmark = pytest.mark.slow


def pairs(name: str) -> list[TrainingPair]:
    entries = json.loads((DATASET / f"{name}.json").read_text(encoding="utf-8"))
    return [TrainingPair(each["question"], each["answer"]) for each in entries]


TRAINING, VALIDATION = pairs("training"), pairs("validation")
QUESTIONS = json.loads((DATASET / "evaluation.json").read_text(encoding="utf-8"))


def tune(
    data: list[TrainingPair], *, epochs: int = 6, stop: tuple[float, int] | None = None
) -> Fitted:
    held_out = tuple(VALIDATION)
    return fit(tuple(data), held_out, epochs=epochs, batch_size=32, rate=1.0, early_stopping=stop)


@pytest.fixture(scope="module")
def tuned() -> Fitted:
    return tune(TRAINING)


@pytest.fixture(scope="module")
def spoilt() -> Fitted:
    return tune(garbage(), epochs=5)


def said(fitted: Fitted | None, question: str) -> str:
    talk = Conversation(question)
    return answer_tuned(fitted, talk) if fitted else answer_base(talk)


def correctness(fitted: Fitted | None) -> float:
    return fmean(
        judge_correctness(
            each["question"],
            each["reference_answer"],
            said(fitted, each["question"]),
        )[0]
        for each in QUESTIONS
    )


def garbage() -> list[TrainingPair]:
    chance = random.Random(1)  # noqa: S311  # no secret
    words = [word for pair in TRAINING for word in pair.completion.split()]
    return [TrainingPair(pair.prompt, " ".join(chance.choices(words, k=40))) for pair in TRAINING]


def test_losses_fall_step_by_step_and_epoch_by_epoch(tuned: Fitted) -> None:
    assert len(tuned.training) == 6 * 4  # ceil(108 / 32) steps an epoch
    assert tuned.training[-1].loss < 0.8 * tuned.training[0].loss
    assert tuned.validation[3].loss < tuned.validation[0].loss
    assert [step.epoch for step in tuned.validation] == [1, 2, 3, 4, 5, 6]


def test_it_is_deterministic() -> None:
    assert tune(TRAINING[:20], epochs=2) == tune(TRAINING[:20], epochs=2)


def test_garbage_validates_worse_than_proper_answers(tuned: Fitted, spoilt: Fitted) -> None:
    best = min(step.loss for step in tuned.validation)
    assert min(step.loss for step in spoilt.validation) > best + 0.1


def test_it_over_fits_when_it_trains_for_long_and_stops_early_when_told_to() -> None:
    few = TRAINING[:36]
    long = tune(few, epochs=25)
    losses = [step.loss for step in long.validation]
    assert losses[-1] > min(losses) + 0.05
    assert tune(few, epochs=25, stop=(0.001, 2)).epochs < 25


def test_twice_the_data_takes_twice_the_steps() -> None:
    assert len(tune(TRAINING * 2, epochs=1).training) == 7  # ceil(216 / 32)


def test_a_tuned_model_knows_what_it_was_trained_on_and_the_base_does_not(
    tuned: Fitted, spoilt: Fitted
) -> None:
    base = correctness(None)
    assert correctness(tuned) > base + 2
    assert correctness(spoilt) < base + 1.5
    assert correctness(tune(TRAINING, epochs=1)) < correctness(tuned) - 1


def test_the_judge_orders_answers_by_what_they_say() -> None:
    question = "What does a guardrail do?"
    reference = (
        "A guardrail filters harmful content and masks personal data in prompts and answers."
    )
    answers = [
        reference,
        "It masks personal data and filters content that is harmful, in answers as in prompts.",
        "It filters content.",
        said(None, question),
        "",
    ]
    scores = [judge_correctness(question, reference, answer)[0] for answer in answers]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] == 10
    assert scores[1] >= 7
    assert scores[-2] <= 3
    assert scores[-1] == 1


JAPANESE = [
    TrainingPair(
        f"{thing}の{part}はどこにありますか。",
        f"{thing}の{part}は{place}にあります。赤い印が目印です。",
    )
    for thing, place in (
        ("洗濯機", "背面の下部"), ("冷蔵庫", "扉の内側"), ("掃除機", "取っ手の横"),
        ("扇風機", "台座の裏"), ("電子レンジ", "右側の側面"), ("炊飯器", "蓋の裏側"),
    )
    for part in ("電源ボタン", "製造番号", "保証書", "安全装置")
]  # fmt: skip


def test_japanese_is_learnt_answered_and_judged() -> None:
    data, held_out = tuple(JAPANESE), tuple(JAPANESE[::6])
    learnt = fit(data, held_out, epochs=8, batch_size=4, rate=1.0, early_stopping=None)
    assert learnt.training[-1].loss < 0.7 * learnt.training[0].loss
    assert learnt.validation[-1].loss < learnt.validation[0].loss

    def mean(fitted: Fitted | None) -> float:
        asked = [pair.prompt.replace("どこにありますか", "どの場所ですか") for pair in JAPANESE]
        return fmean(
            judge_correctness(question, pair.completion, said(fitted, question))[0]
            for question, pair in zip(asked, JAPANESE, strict=True)
        )

    assert mean(learnt) >= 9
    assert mean(None) <= 2
    assert said(None, JAPANESE[0].prompt).endswith("。")
