"""Other models answer the same questions, and their failures fail no run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from lambdas.domain.errors import DatasetChanged
from lambdas.domain.evaluation.few_shot import choose_examples, examples_key
from lambdas.domain.models.lookup import find_model
from lambdas.domain.run.contracts import AnswerWithOtherModelsRequest, OtherAnswers, Run
from lambdas.handlers.answer_with_other_models import answer_with_other_models
from lambdas.validation import make_record
from tests.factories import FROZEN, NOW, PREFIX, dataset, frozen, run
from tests.fakes import bedrock as fakes_bedrock
from tests.fakes import s3 as fakes_s3
from tests.fakes.bedrock import FakeRuntime, question_in, text_reply
from tests.fakes.function import plenty
from tests.fakes.s3 import FakeS3, client_error

HAIKU = "anthropic.claude-3-haiku-20240307-v1:0"
LITE = "us.amazon.nova-lite-v1:0"
QUESTIONS = [
    {"id": f"q-{i}", "question": f"Question {i}?", "reference_answer": "That."} for i in range(20)
]
BODY = "".join(json.dumps(each) + "\n" for each in QUESTIONS).encode()
DATASET = dataset(files=[*FROZEN[:2], frozen("evaluation", BODY)], evaluation_examples=20)
SHOWN = choose_examples(
    [make_record("claude-messages", None, f"Asked {n}?", f"Said {n}.") for n in range(2)],
    find_model("claude-3-haiku"),
)


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> FakeS3:
    objects = {examples_key(run()): SHOWN.model_dump_json().encode()}
    frozen_objects = {DATASET.evaluation.key: BODY}
    return fakes_s3.install(monkeypatch, FakeS3(objects, frozen=frozen_objects))


def answer(request: Mapping[str, Any]) -> dict[str, Any]:
    return text_reply(f"I say: {question_in(request)}")


@pytest.fixture
def bedrock(monkeypatch: pytest.MonkeyPatch) -> FakeRuntime:
    monkeypatch.setattr("lambdas.aws.converse.time.sleep", lambda _: None)
    fake = FakeRuntime(answer)
    fakes_bedrock.install(monkeypatch, bedrock_runtime=fake)
    return fake


def compared(*keys: str) -> Run:
    return run(also_compare=[*keys])


def ask(the_run: Run, so_far: OtherAnswers | None = None) -> OtherAnswers:
    request = AnswerWithOtherModelsRequest(run=the_run, now=NOW, dataset=DATASET, so_far=so_far)
    return answer_with_other_models(request, plenty)


def all_passes(the_run: Run) -> OtherAnswers:
    found = ask(the_run)
    while not found.done:
        found = ask(the_run, found)
    return found


def test_each_model_answers_all_questions_in_a_pass_of_its_own(
    s3: FakeS3, bedrock: FakeRuntime
) -> None:
    first = ask(compared("few-shot", "nova-lite"))
    assert (first.done, [*first.answers]) == (False, ["few-shot"])
    assert {each["modelId"] for each in bedrock.called("Converse")} == {HAIKU}
    second = ask(compared("few-shot", "nova-lite"), first)
    assert (second.done, second.failures) == (True, {})
    assert {key: each.answered for key, each in second.answers.items()} == {
        "few-shot": 20,
        "nova-lite": 20,
    }
    assert [each["modelId"] for each in bedrock.called("Converse")[20:]] == [LITE] * 20
    for key in ("few-shot", "nova-lite"):
        assert f"{PREFIX}/answers-{key}/00000.jsonl" in s3.objects
    for what in ("the-base-model-with-examples", "amazon-nova-lite"):
        assert f"{PREFIX}/billing/answers-of-{what}.json" in s3.objects


def test_the_examples_are_turns_before_each_question(s3: FakeS3, bedrock: FakeRuntime) -> None:
    assert s3.objects
    all_passes(compared("few-shot", "nova-lite"))
    for request in bedrock.called("Converse"):
        texts = [each["content"][0]["text"] for each in request["messages"]]
        roles = [each["role"] for each in request["messages"]]
        assert request["system"] == [{"text": "Answer briefly."}]
        assert texts[-1].startswith("Question")
        if request["modelId"] == HAIKU:
            assert texts[:-1] == ["Asked 0?", "Said 0.", "Asked 1?", "Said 1."]
            assert roles == ["user", "assistant"] * 2 + ["user"]
        else:
            assert len(texts) == 1


def test_a_pass_that_runs_out_of_time_goes_on_with_the_same_model(
    s3: FakeS3, bedrock: FakeRuntime
) -> None:
    assert s3.objects
    left = iter([900.0] * 12)
    request = AnswerWithOtherModelsRequest(
        run=compared("nova-lite"), now=NOW, dataset=DATASET, so_far=None
    )
    first = answer_with_other_models(request, lambda: next(left, 100))
    assert (first.done, first.answers["nova-lite"].done) == (False, False)
    assert 0 < len(bedrock.calls) < 20
    assert ask(compared("nova-lite"), first).answers["nova-lite"].answered == 20
    assert len(bedrock.calls) == 20


@pytest.mark.parametrize(
    ("code", "error"),
    [("ValidationException", "max_failed_answers_percent"), ("AccessDeniedException", "ask us.")],
)
def test_a_model_that_fails_is_given_up_and_the_others_go_on(
    s3: FakeS3, bedrock: FakeRuntime, code: str, error: str
) -> None:
    def refuse(request: Mapping[str, Any]) -> dict[str, Any]:
        if request["modelId"] == LITE:
            raise client_error(code, operation="Converse")
        return answer(request)

    bedrock.reply = refuse
    assert s3.objects
    found = all_passes(compared("nova-lite", "few-shot"))
    assert [*found.failures] == ["nova-lite"]
    assert error in found.failures["nova-lite"]
    assert {key: each.answered for key, each in found.complete.items()} == {"few-shot": 20}


def test_a_model_that_takes_too_long_is_given_up(s3: FakeS3, bedrock: FakeRuntime) -> None:
    """Its time begins with its first pass, whichever was asked before it."""
    assert s3.objects
    the_run, began = compared("nova-lite", "few-shot"), NOW - timedelta(hours=20)
    request = AnswerWithOtherModelsRequest(run=the_run, now=began, dataset=DATASET, so_far=None)
    left = iter([900.0] * 12)
    slow = answer_with_other_models(request, lambda: next(left, 100))
    assert slow.asked_since == began
    asked = len(bedrock.calls)
    found = ask(the_run, slow)
    assert len(bedrock.calls) == asked
    assert found.failures == {
        "nova-lite": "after 20.0 h not all of 20 questions have an answer, and the run waits "
        "60 min at most"
    }
    assert (found.asked_since, found.done) == (None, False)
    assert ask(the_run, found).complete["few-shot"].answered == 20


def test_questions_that_were_replaced_fail_the_run(s3: FakeS3, bedrock: FakeRuntime) -> None:
    s3.freeze(DATASET.evaluation.key, BODY + BODY)
    with pytest.raises(DatasetChanged):
        ask(compared("nova-lite"))
    assert bedrock.calls == []
