from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from functools import partial
from typing import Any

import pytest

from lambdas.aws.converse import BACKOFF_SECONDS
from lambdas.domain.errors import AccessDenied, AnswersFailed, DatasetChanged
from lambdas.domain.parallel import BATCH_SIZE
from lambdas.domain.run.contracts import (
    AnswerWithBaseModelRequest,
    AnswerWithTunedModelRequest,
    Dataset,
)
from lambdas.handlers.answer_with_base_model import answer_with_base_model
from lambdas.handlers.answer_with_tuned_model import answer_with_tuned_model
from tests.factories import FROZEN, NOW, PREFIX, dataset, frozen, hosting, run
from tests.fakes import bedrock as fakes_bedrock
from tests.fakes import s3 as fakes_s3
from tests.fakes.bedrock import FakeRuntime, client_error, question_in, text_reply
from tests.fakes.s3 import FakeS3

EXAMPLES = [
    {"id": f"q-{i}", "question": f"Question {i}?", "reference_answer": f"Answer {i}.", "topic": "T"}
    for i in range(20)
]
KEY = f"{PREFIX}/answers-base.jsonl"


def lines(records: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(each) + "\n" for each in records).encode()


def asking(examples: list[dict[str, Any]], **changes: object) -> Dataset:
    return dataset(files=[*FROZEN[:2], frozen("evaluation", lines(examples))], **changes)


REQUEST = AnswerWithBaseModelRequest(run=run(), now=NOW, dataset=asking(EXAMPLES))
QUESTIONS = REQUEST.dataset.evaluation.key


def echo(request: Mapping[str, Any]) -> dict[str, Any]:
    return text_reply(f"I say: {question_in(request)}")


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> FakeS3:
    return fakes_s3.install(monkeypatch, FakeS3(frozen={QUESTIONS: lines(EXAMPLES)}))


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    slept: list[float] = []
    monkeypatch.setattr("lambdas.aws.converse.time.sleep", slept.append)
    return slept


@pytest.fixture
def bedrock(monkeypatch: pytest.MonkeyPatch, pauses: list[float]) -> FakeRuntime:
    assert not pauses
    fake = FakeRuntime(echo)
    fakes_bedrock.install(monkeypatch, bedrock_runtime=fake)
    return fake


def written(s3: FakeS3, key: str = KEY) -> list[dict[str, Any]]:
    return [json.loads(line) for line in s3.objects[key].splitlines()]


def test_every_example_gets_a_line_in_order(s3: FakeS3, bedrock: FakeRuntime) -> None:
    answers = answer_with_base_model(REQUEST)
    assert (answers.answered, answers.failed) == (20, 0)
    assert (answers.input_tokens, answers.output_tokens) == (220, 140)
    assert answers.answers_key == KEY
    assert [each["id"] for each in written(s3)] == [each["id"] for each in EXAMPLES]
    assert written(s3)[3] == EXAMPLES[3] | {
        "answer": "I say: Question 3?",
        "input_tokens": 11,
        "output_tokens": 7,
    }
    assert len(bedrock.calls) == 20


def test_the_base_model_is_asked_the_bare_question(s3: FakeS3, bedrock: FakeRuntime) -> None:
    assert s3.objects
    answer_with_base_model(REQUEST)
    request = next(each for each in bedrock.called("Converse") if question_in(each)[9:] == "7?")
    assert request == {
        "modelId": "anthropic.claude-3-haiku-20240307-v1:0",
        "messages": [{"role": "user", "content": [{"text": "Question 7?"}]}],
        "system": [{"text": "Answer briefly."}],
        "inferenceConfig": {"maxTokens": 300, "temperature": 0.0},
    }


def test_the_tuned_model_is_asked_through_its_throughput(s3: FakeS3, bedrock: FakeRuntime) -> None:
    answers = answer_with_tuned_model(
        AnswerWithTunedModelRequest(
            run=run(), now=NOW, dataset=asking(EXAMPLES, system_prompt=None), hosting=hosting()
        )
    )
    assert answers.answers_key == f"{PREFIX}/answers-tuned.jsonl"
    assert {each["modelId"] for each in bedrock.called("Converse")} == {hosting().hosting_arn}
    assert all("system" not in each for each in bedrock.called("Converse"))
    assert len(written(s3, answers.answers_key)) == 20


def test_other_questions_than_the_approved_ones_are_not_asked(
    s3: FakeS3, bedrock: FakeRuntime
) -> None:
    s3.freeze(QUESTIONS, lines(EXAMPLES[1:]))
    tuned = AnswerWithTunedModelRequest(**dict(REQUEST), hosting=hosting())
    for ask in (partial(answer_with_base_model, REQUEST), partial(answer_with_tuned_model, tuned)):
        with pytest.raises(DatasetChanged, match=r"dataset/evaluation\.jsonl is no longer what"):
            ask()
    assert not bedrock.calls


def test_throttling_is_waited_for(s3: FakeS3, bedrock: FakeRuntime, pauses: list[float]) -> None:
    bedrock.fail("Converse", *["ThrottlingException", "ServiceUnavailableException"] * 2)
    assert answer_with_base_model(REQUEST).failed == 0
    assert len(pauses) == 4
    assert len(written(s3)) == 20


def test_a_refused_question_is_counted_and_shown(s3: FakeS3, bedrock: FakeRuntime) -> None:
    bedrock.fail("Converse", "ValidationException", "ResourceNotFoundException")
    answers = answer_with_base_model(REQUEST)
    assert (answers.answered, answers.failed) == (18, 2)
    failures = [each["error"] for each in written(s3) if "error" in each]
    assert all(each.startswith("RequestRefused: could not ask anthropic") for each in failures)
    assert len(failures) == 2


def test_too_many_failures_end_the_state_with_their_reason(
    s3: FakeS3, bedrock: FakeRuntime
) -> None:
    bedrock.fail("Converse", *["ValidationException"] * 3)
    with pytest.raises(AnswersFailed) as caught:
        answer_with_base_model(REQUEST)
    message = str(caught.value)
    assert "3 of 20 (15 %) failed, 3 of them with: RequestRefused: could not ask" in message
    assert "max_failed_answers_percent = 10" in message
    assert KEY in message
    assert len(written(s3)) == 20


def test_endless_throttling_ends(s3: FakeS3, bedrock: FakeRuntime, pauses: list[float]) -> None:
    bedrock.fail("Converse", *["ThrottlingException"] * 1000)
    with pytest.raises(AnswersFailed, match="20 of 20"):
        answer_with_base_model(REQUEST)
    assert sum(pauses) == 20 * sum(BACKOFF_SECONDS)
    assert len(written(s3)) == 20


def test_a_lost_cause_is_not_asked_to_its_end(s3: FakeS3, bedrock: FakeRuntime) -> None:
    many = [EXAMPLES[0] | {"id": str(i), "question": f"{i}"} for i in range(BATCH_SIZE * 5)]
    s3.freeze(QUESTIONS, lines(many))
    bedrock.fail("Converse", *["ValidationException"] * 1000)
    with pytest.raises(AnswersFailed, match=f"{BATCH_SIZE} of {BATCH_SIZE} "):
        answer_with_base_model(REQUEST.model_copy(update={"dataset": asking(many)}))
    assert len(bedrock.calls) == BATCH_SIZE


def test_a_missing_permission_is_no_failure_of_one_answer(s3: FakeS3, bedrock: FakeRuntime) -> None:
    bedrock.fail("Converse", *["AccessDeniedException"] * 1000)
    with pytest.raises(AccessDenied):
        answer_with_base_model(REQUEST)
    assert KEY not in s3.objects


def test_a_second_try_asks_only_what_is_missing(s3: FakeS3, bedrock: FakeRuntime) -> None:
    bedrock.fail("Converse", *["ValidationException"] * 3)
    with pytest.raises(AnswersFailed):
        answer_with_base_model(REQUEST)
    missing = {each["question"] for each in written(s3) if "error" in each}
    bedrock.calls.clear()
    assert answer_with_base_model(REQUEST).answered == 20
    assert {question_in(each) for each in bedrock.called("Converse")} == missing
    bedrock.calls.clear()
    assert answer_with_base_model(REQUEST).answered == 20
    assert not bedrock.calls


def test_an_answer_to_another_question_is_not_kept(s3: FakeS3, bedrock: FakeRuntime) -> None:
    stale = [EXAMPLES[0] | {"question": "Another?", "answer": "x"}, {"id": "gone", "answer": "x"}]
    s3.objects[KEY] = lines(stale)
    answer_with_base_model(REQUEST)
    assert len(bedrock.calls) == 20
    assert written(s3)[0]["answer"] == "I say: Question 0?"


def test_what_a_killed_function_has_paid_for_is_saved(s3: FakeS3, bedrock: FakeRuntime) -> None:
    many = [EXAMPLES[0] | {"id": str(i), "question": f"{i}"} for i in range(BATCH_SIZE + 40)]
    s3.freeze(QUESTIONS, lines(many))
    asked = threading.Semaphore(BATCH_SIZE)

    def dies_after_the_first_batch(request: Mapping[str, Any]) -> dict[str, Any]:
        if not asked.acquire(blocking=False):
            raise client_error("AccessDeniedException")
        return echo(request)

    bedrock.reply = dies_after_the_first_batch
    with pytest.raises(AccessDenied):
        answer_with_base_model(REQUEST.model_copy(update={"dataset": asking(many)}))
    assert len(written(s3)) == BATCH_SIZE


def test_a_cut_off_answer_is_marked_and_an_empty_one_fails(
    s3: FakeS3, bedrock: FakeRuntime
) -> None:
    replies = {
        "Question 0?": text_reply("Half a", "max_tokens"),
        "Question 1?": text_reply(" ", "end_turn"),
    }
    bedrock.reply = lambda request: replies.get(question_in(request)) or echo(request)
    answers = answer_with_base_model(REQUEST)
    assert (answers.answered, answers.failed) == (19, 1)
    assert written(s3)[0]["truncated"] is True
    assert "truncated" not in written(s3)[2]
    assert written(s3)[1]["error"] == "no text in the answer (stop reason end_turn)"
