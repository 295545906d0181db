from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from lambdas.aws.converse import read_seconds
from lambdas.domain.cost.actuals import bill_of, finished
from lambdas.domain.cost.calculator import Calculator
from lambdas.domain.cost.price_book import PriceBook
from lambdas.domain.cost.quote import BASE_ANSWERS
from lambdas.domain.errors import AccessDenied, AnswersFailed, DatasetChanged
from lambdas.domain.evaluation.rubrics import ATTEMPTS
from lambdas.domain.evaluation.shards import SHARD_CHARACTERS, unfinished
from lambdas.domain.parallel import CONCURRENCY
from lambdas.domain.run.contracts import (
    AnswerWithBaseModelRequest,
    AnswerWithTunedModelRequest,
    Dataset,
)
from lambdas.handlers.answer_with_base_model import answer_with_base_model, handler
from lambdas.handlers.answer_with_tuned_model import answer_with_tuned_model
from lambdas.validation.formats.tokens import estimated_tokens
from tests.factories import (
    FROZEN,
    NOW,
    PREFIX,
    PRICES,
    dataset,
    frozen,
    hosting,
    quote,
    report_request,
    run,
)
from tests.fakes import bedrock as fakes_bedrock
from tests.fakes import s3 as fakes_s3
from tests.fakes.bedrock import REGION, FakeRuntime, empty_reply, question_in, text_reply
from tests.fakes.function import LIMIT_SECONDS, FakeContext, plenty
from tests.fakes.s3 import FakeS3, client_error

EXAMPLES = [
    {"id": f"q-{i}", "question": f"Question {i}?", "reference_answer": f"Answer {i}.", "topic": "T"}
    for i in range(20)
]
FOLDER = f"{PREFIX}/answers-base/"
KEY = f"{FOLDER}00000.jsonl"
CALCULATOR = Calculator(PriceBook.load(PRICES), REGION)


def lines(records: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(each) + "\n" for each in records).encode()


def asking(examples: list[dict[str, Any]], **changes: object) -> Dataset:
    files = [*FROZEN[:2], frozen("evaluation", lines(examples))]
    return dataset(files=files, **{"evaluation_examples": len(examples), **changes})


REQUEST = AnswerWithBaseModelRequest(run=run(), now=NOW, dataset=asking(EXAMPLES))
QUESTIONS = REQUEST.dataset.evaluation.key


def echo(request: Mapping[str, Any]) -> dict[str, Any]:
    return text_reply(f"I say: {question_in(request)}")


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> FakeS3:
    return fakes_s3.install(monkeypatch, FakeS3(frozen={QUESTIONS: lines(EXAMPLES)}))


def about(s3: FakeS3, examples: list[dict[str, Any]]) -> AnswerWithBaseModelRequest:
    """Freeze other questions, and return the request that asks them."""
    s3.freeze(QUESTIONS, lines(examples))
    return REQUEST.model_copy(update={"dataset": asking(examples)})


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
    answers = answer_with_base_model(REQUEST, plenty)
    assert (answers.answered, answers.failed) == (20, 0)
    assert (answers.input_tokens, answers.output_tokens) == (220, 140)
    assert (answers.answers_prefix, answers.shards) == (FOLDER, 1)
    assert f"{PREFIX}/billing/answers-of-the-base-model.json" in s3.objects
    assert [each["id"] for each in written(s3)] == [each["id"] for each in EXAMPLES]
    assert written(s3)[3] == EXAMPLES[3] | {
        "answer": "I say: Question 3?",
        "outcome": "answered",
        "latency_ms": 900,
        "input_tokens": 11,
        "output_tokens": 7,
    }
    assert len(bedrock.calls) == 20


def test_the_base_model_is_asked_the_bare_question(s3: FakeS3, bedrock: FakeRuntime) -> None:
    assert s3.objects
    answer_with_base_model(REQUEST, plenty)
    request = next(each for each in bedrock.called("Converse") if question_in(each)[9:] == "7?")
    assert request == {
        "modelId": "anthropic.claude-3-haiku-20240307-v1:0",
        "messages": [{"role": "user", "content": [{"text": "Question 7?"}]}],
        "system": [{"text": "Answer briefly."}],
        "inferenceConfig": {"maxTokens": 300, "temperature": 0.0},
    }


def test_a_question_is_asked_with_its_history(s3: FakeS3, bedrock: FakeRuntime) -> None:
    history = [{"role": "user", "content": "Is it hot?"}, {"role": "assistant", "content": "No."}]
    answer_with_base_model(about(s3, [EXAMPLES[0] | {"history": history}]), plenty)
    [request] = bedrock.called("Converse")
    said = [(turn["role"], turn["content"][0]["text"]) for turn in request["messages"]]
    assert said == [("user", "Is it hot?"), ("assistant", "No."), ("user", "Question 0?")]
    assert written(s3)[0]["history"] == "user: Is it hot?\n\nassistant: No."


def test_general_questions_are_asked_without_the_tasks_system_prompt(
    s3: FakeS3, bedrock: FakeRuntime
) -> None:
    general = lines([EXAMPLES[1] | {"question": "What is 17 + 25?"}])
    s3.freeze(f"{PREFIX}/dataset/general.jsonl", general)
    request = about(s3, EXAMPLES[:2])
    files = (*request.dataset.files, frozen("general", general))
    data = request.dataset.model_copy(update={"files": files, "general_examples": 1})
    answers = answer_with_base_model(request.model_copy(update={"dataset": data}), plenty)
    assert answers.answered == 3
    systems = {question_in(each): "system" in each for each in bedrock.called("Converse")}
    assert systems == {"Question 0?": True, "Question 1?": True, "What is 17 + 25?": False}
    assert [each["id"] for each in written(s3)] == ["q-0", "q-1", "general/q-1"]
    assert [each.get("general") for each in written(s3)] == [None, None, True]


def test_the_tuned_model_is_asked_through_its_throughput(s3: FakeS3, bedrock: FakeRuntime) -> None:
    answers = answer_with_tuned_model(
        AnswerWithTunedModelRequest(
            run=run(), now=NOW, dataset=asking(EXAMPLES, system_prompt=None), hosting=hosting()
        ),
        plenty,
    )
    assert answers.answers_prefix == f"{PREFIX}/answers-tuned/"
    assert {each["modelId"] for each in bedrock.called("Converse")} == {hosting().hosting_arn}
    assert all("system" not in each for each in bedrock.called("Converse"))
    assert len(written(s3, f"{answers.answers_prefix}00000.jsonl")) == 20


def test_other_questions_than_the_approved_ones_are_not_asked(
    s3: FakeS3, bedrock: FakeRuntime
) -> None:
    s3.freeze(QUESTIONS, lines(EXAMPLES[1:]))
    tuned = AnswerWithTunedModelRequest(**dict(REQUEST), hosting=hosting())
    for ask in (partial(answer_with_base_model, REQUEST), partial(answer_with_tuned_model, tuned)):
        with pytest.raises(DatasetChanged, match=r"dataset/evaluation\.jsonl is no longer what"):
            ask(plenty)
    assert not bedrock.calls


def test_throttling_is_waited_for(s3: FakeS3, bedrock: FakeRuntime, pauses: list[float]) -> None:
    bedrock.fail("Converse", *["ThrottlingException", "ServiceUnavailableException"] * 2)
    assert answer_with_base_model(REQUEST, plenty).failed == 0
    assert len(pauses) == 4
    assert len(written(s3)) == 20


def test_a_refused_question_is_counted_and_shown(s3: FakeS3, bedrock: FakeRuntime) -> None:
    bedrock.fail("Converse", "ValidationException", "ResourceNotFoundException")
    answers = answer_with_base_model(REQUEST, plenty)
    assert (answers.answered, answers.failed) == (18, 2)
    failures = [each["error"] for each in written(s3) if "error" in each]
    assert all(each.startswith("RequestRefused: could not ask anthropic") for each in failures)
    assert len(failures) == 2


def test_too_many_failures_end_the_state_with_their_reason(
    s3: FakeS3, bedrock: FakeRuntime
) -> None:
    bedrock.fail("Converse", *["ValidationException"] * 3)
    with pytest.raises(AnswersFailed) as caught:
        answer_with_base_model(REQUEST, plenty)
    message = str(caught.value)
    assert "3 of 20 (15 %) failed, 3 of them with: RequestRefused: could not ask" in message
    assert "max_failed_answers_percent = 10" in message
    assert KEY in message
    assert f"{FOLDER}tallies/00000.json" not in s3.objects
    assert sum("error" in each for each in written(s3)) == 3


def test_endless_throttling_ends_with_the_function(
    s3: FakeS3, bedrock: FakeRuntime, pauses: list[float]
) -> None:
    bedrock.fail("Converse", *["ThrottlingException"] * 1000)
    with pytest.raises(AnswersFailed, match=r"0 of 20 .* pass added none: could not ask"):
        answer_with_base_model(REQUEST, lambda: LIMIT_SECONDS - sum(pauses) / CONCURRENCY)
    assert sum(pauses) <= CONCURRENCY * LIMIT_SECONDS
    assert written(s3) == []


def test_a_slow_limit_finishes_in_the_passes_it_takes(
    s3: FakeS3, bedrock: FakeRuntime, pauses: list[float]
) -> None:
    """Four requests a minute, as Llama 3.3 on demand has, and functions that live for two."""

    def limited(request: Mapping[str, Any]) -> dict[str, Any]:
        minutes = sum(pauses) / CONCURRENCY / 60
        if len(answered) >= 4 * (1 + minutes):
            raise client_error("ThrottlingException")
        answered.append(question_in(request))
        return echo(request)

    answered: list[str] = []
    bedrock.reply = limited
    passes = 0
    while passes < 20:
        passes, began = passes + 1, sum(pauses)
        end = read_seconds(REQUEST.run.settings.max_answer_tokens) + 150 + began / CONCURRENCY
        answers = answer_with_base_model(REQUEST, lambda: end - sum(pauses) / CONCURRENCY)  # noqa: B023  # called at once
        if answers.done:
            break
    assert (answers.answered, answers.failed, answers.lost_requests) == (20, 0, 0)
    assert 1 < passes < 6
    assert len(answered) == 20
    assert len(written(s3)) == 20


def test_a_lost_cause_is_not_asked_to_its_end(s3: FakeS3, bedrock: FakeRuntime) -> None:
    many = [EXAMPLES[0] | {"id": str(i), "question": f"{i}"} for i in range(200)]
    bedrock.fail("Converse", *["ValidationException"] * 1000)
    with pytest.raises(AnswersFailed, match="of 200 "):
        answer_with_base_model(about(s3, many), plenty)
    assert 20 < len(bedrock.calls) <= 20 + CONCURRENCY  # a tenth may fail


def test_a_missing_permission_is_no_failure_of_one_answer(s3: FakeS3, bedrock: FakeRuntime) -> None:
    bedrock.fail("Converse", *["AccessDeniedException"] * 1000)
    with pytest.raises(AccessDenied):
        answer_with_base_model(REQUEST, plenty)
    assert KEY not in s3.objects


def test_a_second_try_asks_for_nothing_that_has_its_outcome(
    s3: FakeS3, bedrock: FakeRuntime
) -> None:
    bedrock.fail("Converse", "ValidationException")
    first = answer_with_base_model(REQUEST, plenty)
    bedrock.calls.clear()
    assert answer_with_base_model(REQUEST, plenty) == first
    assert not bedrock.calls
    assert len(written(s3)) == 20


@pytest.mark.slow
def test_an_answer_to_another_question_is_not_kept(s3: FakeS3, bedrock: FakeRuntime) -> None:
    left = iter([LIMIT_SECONDS] * 12)
    assert not answer_with_base_model(REQUEST, lambda: next(left, 100)).done
    bedrock.calls.clear()
    other = [EXAMPLES[0] | {"question": "Another?"}, *EXAMPLES[1:]]
    assert answer_with_base_model(about(s3, other), plenty).done
    assert "Another?" in [question_in(each) for each in bedrock.called("Converse")]
    assert written(s3)[0]["answer"] == "I say: Another?"


class Killed(BaseException):
    """The function ends in the middle, and nothing of it runs any more."""


def test_what_a_killed_function_has_answered_is_not_asked_again(
    s3: FakeS3, bedrock: FakeRuntime
) -> None:
    answered: list[str] = []

    def dies_after_twelve(request: Mapping[str, Any]) -> dict[str, Any]:
        if len(answered) >= 12:
            raise Killed
        answered.append(question_in(request))
        return echo(request)

    bedrock.reply = dies_after_twelve
    with pytest.raises(Killed):
        answer_with_base_model(REQUEST, plenty)
    assert KEY not in s3.objects, "it had no time to write the file"
    kept = set(answered)
    bedrock.reply = echo
    bedrock.calls.clear()
    answers = answer_with_base_model(REQUEST, plenty)
    assert (answers.answered, answers.failed) == (20, 0)
    again = {question_in(each) for each in bedrock.called("Converse")}
    assert not again & kept
    assert 0 < answers.lost_requests <= CONCURRENCY, "what died with it may be paid for"


def test_a_question_that_kills_is_asked_twice_and_no_more(s3: FakeS3, bedrock: FakeRuntime) -> None:
    def dies(request: Mapping[str, Any]) -> dict[str, Any]:
        if question_in(request) == "Question 3?":
            raise Killed
        return echo(request)

    bedrock.reply = dies
    for _ in range(ATTEMPTS):
        with pytest.raises(Killed):
            answer_with_base_model(REQUEST, plenty)
    answers = answer_with_base_model(REQUEST, plenty)
    asked = [question_in(each) for each in bedrock.called("Converse")]
    assert asked.count("Question 3?") == ATTEMPTS
    assert (answers.failed, answers.lost_requests) == (1, ATTEMPTS)
    assert "ended before the answer was here" in written(s3)[3]["error"]


def test_a_lost_answer_is_asked_for_once_more_and_counted(
    s3: FakeS3, bedrock: FakeRuntime, pauses: list[float]
) -> None:
    bedrock.lose(1)
    answers = answer_with_base_model(about(s3, EXAMPLES[:1]), plenty)
    assert (answers.answered, answers.lost_requests) == (1, 1)
    assert len(bedrock.calls) == 2
    assert not pauses
    most = estimated_tokens(["Answer briefly.", "Question 0?"])
    assert (answers.input_tokens, answers.output_tokens) == (11 + most, 7 + 300)


def test_an_answer_that_is_lost_each_time_is_paid_for_twice_at_most(
    s3: FakeS3, bedrock: FakeRuntime
) -> None:
    bedrock.lose(1000)
    with pytest.raises(AnswersFailed, match="it may be paid for"):
        answer_with_base_model(about(s3, EXAMPLES[:1]), plenty)
    assert len(bedrock.calls) == ATTEMPTS
    assert written(s3)[0]["output_tokens"] == ATTEMPTS * 300


def test_base_answers_of_which_each_first_one_is_lost_cost_no_more_than_was_quoted(
    s3: FakeS3, bedrock: FakeRuntime
) -> None:
    """Each second one says all it may."""
    lost = set()

    def second_time(request: Mapping[str, Any]) -> dict[str, Any]:
        if question_in(request) not in lost:
            lost.add(question_in(request))
            raise ReadTimeoutError(endpoint_url="…")
        return echo(request) | {"usage": {"inputTokens": 30, "outputTokens": 300}}

    bedrock.reply = second_time
    tokens = sum(
        estimated_tokens([each["question"], each["reference_answer"]]) for each in EXAMPLES
    )
    quoted = quote(asking(EXAMPLES, evaluation_tokens=tokens))
    answers = answer_with_base_model(REQUEST, plenty)
    assert (answers.answered, answers.lost_requests) == (20, 20)
    assert s3.objects
    bill = bill_of(quoted, finished(report_request(base_answers=answers), CALCULATOR))
    for item, spent in zip(quoted.items, bill.items, strict=True):
        if item.kind == BASE_ANSWERS:
            assert 0 < spent.usd <= item.high_usd


def test_what_there_is_no_time_for_is_left_to_the_next_pass(
    s3: FakeS3, bedrock: FakeRuntime
) -> None:
    context = FakeContext()

    def takes_a_minute(request: Mapping[str, Any]) -> dict[str, Any]:
        context.seconds -= 60
        return echo(request)

    bedrock.reply = takes_a_minute
    event = REQUEST.model_dump(mode="json")
    first = handler(event, context)
    assert not first["done"]
    assert 0 < first["answered"] < 20
    assert context.seconds > 0, "it ended before Lambda would end it"
    context.seconds = LIMIT_SECONDS
    last = handler(event, context)
    assert (last["done"], last["answered"]) == (True, 20)
    assert len(bedrock.calls) == 20, "it went on where it had stopped"
    assert len(written(s3)) == 20


def test_a_pass_that_brings_nothing_is_the_last(
    s3: FakeS3, bedrock: FakeRuntime, pauses: list[float]
) -> None:
    with pytest.raises(AnswersFailed, match=r"0 of 20 are settled.*no time was left to begin"):
        answer_with_base_model(REQUEST, lambda: 100)
    one = about(s3, EXAMPLES[:1])
    bedrock.fail("Converse", *["ThrottlingException"] * 1000)
    left = iter([LIMIT_SECONDS])
    with pytest.raises(AnswersFailed, match=r"pass added none: could not ask .*Throttling"):
        answer_with_base_model(one, lambda: next(left, 100))
    assert not pauses


@pytest.mark.parametrize("minutes", [0, 44])
def test_the_tuned_model_is_asked_until_the_release_is_due(
    s3: FakeS3, bedrock: FakeRuntime, minutes: int
) -> None:
    """The release-by is 60 minutes away, and a quarter of an hour belongs to the release."""
    assert s3.objects
    hosted = hosting(release_by=NOW + timedelta(minutes=60 - minutes))
    request = AnswerWithTunedModelRequest(**{**dict(REQUEST), "hosting": hosted})
    if minutes:
        with pytest.raises(AnswersFailed, match="no time was left"):
            answer_with_tuned_model(request, plenty)
        assert not bedrock.calls
    else:
        assert answer_with_tuned_model(request, plenty).done


@pytest.mark.parametrize(
    ("stop_reason", "with_text", "without"),
    [
        ("end_turn", "answered", "empty"),
        ("stop_sequence", "answered", "empty"),
        ("something_new", "answered", "empty"),
        ("max_tokens", "cut off", "empty"),
        ("model_context_window_exceeded", "cut off", "empty"),
        ("content_filtered", "filtered", "filtered"),
        ("guardrail_intervened", "filtered", "filtered"),
        ("malformed_model_output", "malformed", "malformed"),
        ("malformed_tool_use", "malformed", "malformed"),
        ("tool_use", "malformed", "malformed"),
    ],
)
def test_every_stop_reason_is_an_outcome_and_none_a_failure(
    s3: FakeS3, bedrock: FakeRuntime, stop_reason: str, with_text: str, without: str
) -> None:
    replies = {
        "Question 0?": text_reply("Half a", stop_reason),
        "Question 1?": empty_reply(stop_reason),
        "Question 2?": text_reply(" \n", stop_reason),
    }
    bedrock.reply = lambda request: replies.get(question_in(request)) or echo(request)
    answers = answer_with_base_model(REQUEST, plenty)
    assert (answers.answered, answers.failed) == (20, 0)
    assert [each["outcome"] for each in written(s3)[:4]] == [
        with_text,
        without,
        without,
        "answered",
    ]
    assert written(s3)[0]["answer"] == "Half a"


@pytest.fixture
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lambdas.domain.evaluation.shards.SHARD_QUESTIONS", 3)


@pytest.mark.usefixtures("small_shards")
def test_a_file_of_any_length_is_asked_shard_by_shard(s3: FakeS3, bedrock: FakeRuntime) -> None:
    answers = answer_with_base_model(REQUEST, plenty)
    assert (answers.answered, answers.shards, answers.input_tokens) == (20, 7, 220)
    found = [each for shard in range(7) for each in written(s3, f"{FOLDER}{shard:05}.jsonl")]
    assert [each["id"] for each in found] == [each["id"] for each in EXAMPLES]
    assert len(bedrock.calls) == 20


def test_a_shard_has_fewer_questions_where_they_are_long() -> None:
    """Or else one of long documents is more than a function's memory has room for."""
    texts = ["x" * (SHARD_CHARACTERS * 2 // 5), "y", "x" * SHARD_CHARACTERS, "y", "y"]
    questions = [{"id": str(at), "question": text} for at, text in enumerate(texts * 2)]
    found = [[each["id"] for each in shard] for _, shard in unfinished(questions, 0)]
    assert found == [["0", "1"], ["2"], ["3", "4", "5", "6"], ["7"], ["8", "9"]]
    # Of a model that is asked fewer, and of a later pass, they are the same.
    fewer = [[each["id"] for each in shard] for _, shard in unfinished(questions[:8], 0)]
    assert fewer == found[:4]
    assert [number for number, _ in unfinished(questions, 3)] == [3, 4]


@pytest.mark.usefixtures("small_shards")
def test_a_later_pass_reads_nothing_of_a_finished_shard(s3: FakeS3, bedrock: FakeRuntime) -> None:
    """Or else the passes over many questions would take longer and longer."""
    left = iter([LIMIT_SECONDS] * 12)
    first = answer_with_base_model(REQUEST, lambda: next(left, 100))
    assert not first.done
    assert 0 < first.shards < 7
    for key in [*s3.objects]:
        if key.startswith(f"{FOLDER}00000/"):
            del s3.objects[key]
    last = answer_with_base_model(REQUEST, plenty)
    assert (last.answered, last.shards, last.done) == (20, 7, True)
    assert len(bedrock.calls) == 20


@pytest.mark.usefixtures("small_shards")
def test_failures_count_over_all_shards(s3: FakeS3, bedrock: FakeRuntime) -> None:
    """Each shard holds few enough, and the third in all is one too many of 20."""
    bad = {"Question 0?", "Question 7?", "Question 16?"}

    def refuses(request: Mapping[str, Any]) -> dict[str, Any]:
        if question_in(request) in bad:
            raise client_error("ValidationException")
        return echo(request)

    bedrock.reply = refuses
    with pytest.raises(AnswersFailed, match=r"3 of 20 \(15 %\) failed"):
        answer_with_base_model(REQUEST, plenty)
    assert f"{FOLDER}tallies/00004.json" in s3.objects
    assert f"{FOLDER}tallies/00005.json" not in s3.objects


@pytest.mark.usefixtures("small_shards")
def test_a_killed_pass_counts_no_shard_twice(s3: FakeS3, bedrock: FakeRuntime) -> None:
    def dies(request: Mapping[str, Any]) -> dict[str, Any]:
        if question_in(request) == "Question 10?":
            raise Killed
        return echo(request)

    bedrock.reply = dies
    with pytest.raises(Killed):
        answer_with_base_model(REQUEST, plenty)
    bedrock.reply = echo
    answers = answer_with_base_model(REQUEST, plenty)
    assert (answers.answered, answers.failed, answers.shards) == (20, 0, 7)
    assert len([key for key in s3.objects if "/tallies/" in key]) == 7
