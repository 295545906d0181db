from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import pytest

from lambdas.domain.errors import AccessDenied, JudgementsFailed
from lambdas.domain.evaluation.judge import CORRECTNESS, JudgedAnswer
from lambdas.domain.evaluation.results import results_of
from lambdas.domain.evaluation.rubrics import ATTEMPTS, MAX_TOKENS
from lambdas.domain.run.contracts import DecideVerdictRequest, JudgeAnswersRequest, Judgements
from lambdas.handlers.decide_verdict import decide_verdict
from lambdas.handlers.judge_answers import judge_answers
from tests.factories import NOW, PREFIX, answers, dataset, report_request, run
from tests.fakes import bedrock as fakes_bedrock
from tests.fakes import s3 as fakes_s3
from tests.fakes.bedrock import FakeRuntime, question_in, text_reply, tool_reply
from tests.fakes.function import LIMIT_SECONDS, plenty
from tests.fakes.s3 import FakeS3

FOLDER = f"{PREFIX}/judgements/"
KEY = f"{FOLDER}00000.jsonl"
REQUEST = JudgeAnswersRequest(
    run=run(),
    now=NOW,
    base_answers=answers("base", answered=10),
    tuned_answers=answers("tuned", answered=10),
)
VERDICT_REQUEST = DecideVerdictRequest(
    **dict(REQUEST), dataset=dataset(), judgements=report_request().judgements
)


def records(side: str) -> list[dict[str, Any]]:
    return [
        {
            "id": f"q-{i}",
            "question": f"Question {i}?",
            "reference_answer": f"Reference {i}.",
            "topic": None,
            "answer": f"{side} answer {i}",
            "outcome": "answered",
            "input_tokens": 1,
            "output_tokens": 1,
        }
        for i in range(10)
    ]


def lines(records: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(each) + "\n" for each in records).encode()


def is_about(answer: str, request: Mapping[str, Any]) -> bool:
    return bool(re.search(rf"<answer-[0-9a-f]{{8}}>{answer}", question_in(request)))


def prefers_tuned(request: Mapping[str, Any]) -> dict[str, Any]:
    if request["toolConfig"]["toolChoice"]["tool"]["name"] == "record_preference":
        first = re.search(r"<first_answer-[0-9a-f]{8}>tuned", question_in(request))
        return tool_reply({"better": "first" if first else "second", "reason": "facts"})
    score = 8 if is_about("tuned answer", request) else 3
    return tool_reply({"score": score, "reason": " because "})


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> FakeS3:
    files = {
        f"{PREFIX}/answers-{side}/00000.jsonl": lines(records(side)) for side in ("base", "tuned")
    }
    return fakes_s3.install(monkeypatch, FakeS3(files))


@pytest.fixture
def bedrock(monkeypatch: pytest.MonkeyPatch) -> FakeRuntime:
    fake = FakeRuntime(prefers_tuned)
    fakes_bedrock.install(monkeypatch, bedrock_runtime=fake)
    return fake


def written(s3: FakeS3) -> list[dict[str, Any]]:
    return [json.loads(line) for line in s3.objects[KEY].splitlines()]


def results(s3: FakeS3) -> list[dict[str, Any]]:
    """Return what the report will read, joined as *Decide verdict* does."""
    files = ((side, f"{PREFIX}/answers-{side}/00000.jsonl") for side in ("base", "tuned"))
    said = {side: [*map(json.loads, s3.objects[key].splitlines())] for side, key in files}
    return results_of(said, written(s3))


def fail_answers(s3: FakeS3, side: str, *indexes: int) -> None:
    changed = records(side)
    for i in indexes:
        changed[i] = {k: changed[i][k] for k in ("id", "question", "reference_answer", "topic")}
        changed[i]["error"] = "Throttled: slow down"
    s3.objects[f"{PREFIX}/answers-{side}/00000.jsonl"] = lines(changed)


def test_both_sides_are_scored_and_kept(s3: FakeS3, bedrock: FakeRuntime) -> None:
    judgements = judge_answers(REQUEST, plenty)
    assert f"{PREFIX}/billing/judgements.json" in s3.objects
    assert judgements == Judgements(
        judged=10,
        failed=0,
        input_tokens=440,
        output_tokens=280,
        judgements_prefix=FOLDER,
    )
    first = written(s3)[0]
    assert first["id"] == "q-0"
    assert first["tuned"] == {
        "score": 8,
        "reason": "because",
        "input_tokens": 11,
        "output_tokens": 7,
    }
    assert first["preferences"]["tuned"]["better"] == "first"
    assert first["preferences"]["base"]["better"] == "second"
    assert len(bedrock.calls) == 40


def test_the_judge_must_use_the_tool_and_is_not_told_the_model(
    s3: FakeS3, bedrock: FakeRuntime
) -> None:
    assert s3.objects
    judge_answers(REQUEST, plenty)
    request = bedrock.called("Converse")[0]
    assert request["modelId"] == "us.amazon.nova-pro-v1:0"
    assert request["toolConfig"] == {
        "tools": [
            {
                "toolSpec": {
                    "name": "record_correctness",
                    "inputSchema": {"json": CORRECTNESS.tool_schema},
                }
            }
        ],
        "toolChoice": {"tool": {"name": "record_correctness"}},
    }
    assert request["inferenceConfig"]["temperature"] == 0
    assert re.sub("-[0-9a-f]{8}>", ">", question_in(request)) == (
        "<question>Question 0?</question>\n"
        "<reference_answer>Reference 0.</reference_answer>\n"
        "<answer>base answer 0</answer>"
    )
    systems = {json.dumps(each["system"]) for each in bedrock.called("Converse")}
    assert len(systems) == 2, "one for the scores, one for the preferences"


def test_the_prompt_depends_on_the_texts_alone() -> None:
    names = {each.name for each in fields(JudgedAnswer)} - {"id", "side"}
    one = JudgedAnswer(id="1", side="base", **dict.fromkeys(names, "x"))
    other = JudgedAnswer(id="2", side="tuned", **dict.fromkeys(names, "x"))
    assert one.message == other.message


def test_a_failed_answer_gets_no_score_and_its_pair_does_not_count(
    s3: FakeS3, bedrock: FakeRuntime
) -> None:
    fail_answers(s3, "tuned", 2)
    judgements = judge_answers(REQUEST, plenty)
    assert (judgements.judged, judgements.failed) == (9, 1)
    assert len(bedrock.calls) == 19 + 2 * 9
    assert "tuned" not in written(s3)[2]
    assert written(s3)[2]["base"]["score"] == 3
    assert results(s3)[2]["tuned"] == {"error": "Throttled: slow down"}


def test_an_answer_that_one_file_lacks_is_shown(s3: FakeS3, bedrock: FakeRuntime) -> None:
    s3.objects[f"{PREFIX}/answers-tuned/00000.jsonl"] = lines(records("tuned")[1:])
    assert judge_answers(REQUEST, plenty).failed == 1
    absent = next(each for each in results(s3) if each["id"] == "q-0")
    assert absent["tuned"] == {"error": "there is no record of this question"}
    assert len(bedrock.calls) == 19 + 2 * 9


def test_out_of_schema_is_asked_once_more(s3: FakeS3, bedrock: FakeRuntime) -> None:
    """And is told what was wrong, after all the material."""

    def sloppy(request: Mapping[str, Any]) -> dict[str, Any]:
        first = is_about("tuned answer 4", request) and "refused" not in question_in(request)
        return tool_reply({"score": 11, "reason": "x"}) if first else prefers_tuned(request)

    bedrock.reply = sloppy
    judgements = judge_answers(REQUEST, plenty)
    assert (judgements.judged, judgements.input_tokens) == (10, 41 * 11)
    assert len(written(s3)) == 10
    [told] = [text for each in bedrock.calls if "refused" in (text := question_in(each[1]))]
    assert told.endswith(
        "Your last call of the tool was refused: score is 11, not a whole number from 1 to 10. "
        "Call it again."
    )


@pytest.mark.parametrize(
    "reply", [text_reply("8 of 10"), tool_reply({"score": "high", "reason": "x"})]
)
def test_twice_out_of_schema_is_a_failure(
    s3: FakeS3, bedrock: FakeRuntime, reply: dict[str, Any]
) -> None:
    def stubborn(request: Mapping[str, Any]) -> dict[str, Any]:
        return reply if is_about("base answer 4", request) else prefers_tuned(request)

    bedrock.reply = stubborn
    judgements = judge_answers(REQUEST, plenty)
    assert (judgements.judged, judgements.failed) == (9, 1)
    assert len(bedrock.calls) == 21 + 2 * 10
    assert written(s3)[4]["base"]["judge_error"].startswith("OutOfSchema: ")
    assert results(s3)[4]["base"]["answer"] == "base answer 4"


def test_too_many_failed_judgements_end_the_state(s3: FakeS3, bedrock: FakeRuntime) -> None:
    """By side: of both together they would be few enough."""

    def refuses_two(request: Mapping[str, Any]) -> dict[str, Any]:
        refused = is_about("tuned answer [01]", request)
        return text_reply("I will not.") if refused else prefers_tuned(request)

    bedrock.reply = refuses_two
    says = r"judging the tuned model's answers with nova-pro: 2 of 10 \(20 %\) failed"
    with pytest.raises(JudgementsFailed, match=says):
        judge_answers(REQUEST, plenty)
    assert len(written(s3)) == 10


@pytest.mark.parametrize("outcome", ["empty", "filtered", "malformed"])
def test_what_is_no_answer_scores_least_and_is_not_judged(
    s3: FakeS3, bedrock: FakeRuntime, outcome: str
) -> None:
    changed = records("tuned")
    changed[3] |= {"answer": "A refusal.", "outcome": outcome}
    s3.objects[f"{PREFIX}/answers-tuned/00000.jsonl"] = lines(changed)
    assert judge_answers(REQUEST, plenty).judged == 10
    assert len(bedrock.calls) == 19 + 2 * 9
    assert results(s3)[3]["tuned"] == {
        "answer": "A refusal.",
        "outcome": outcome,
        "score": 1,
        "reason": f"{outcome}: no answer",
    }


def test_a_second_try_judges_nothing_that_has_its_outcome(s3: FakeS3, bedrock: FakeRuntime) -> None:
    bedrock.fail("Converse", "ValidationException")
    first = judge_answers(REQUEST, plenty)
    bedrock.calls.clear()
    assert judge_answers(REQUEST, plenty) == first
    assert not bedrock.calls
    assert len(written(s3)) == 10


def test_judging_goes_on_where_it_ran_out_of_time(s3: FakeS3, bedrock: FakeRuntime) -> None:
    left = iter([LIMIT_SECONDS] * 7)
    first = judge_answers(REQUEST, lambda: next(left, 1))
    assert not first.done
    assert 0 < len(bedrock.calls) <= 7
    assert judge_answers(REQUEST, plenty).done
    assert len(bedrock.calls) == 40
    assert len(written(s3)) == 10


def test_a_lost_judgement_is_asked_for_once_more_and_counted(
    s3: FakeS3, bedrock: FakeRuntime
) -> None:
    bedrock.lose(1)
    judgements = judge_answers(REQUEST, plenty)
    assert (judgements.judged, judgements.lost_requests) == (10, 1)
    assert len(bedrock.calls) == 41
    assert judgements.output_tokens == 40 * 7 + MAX_TOKENS
    assert s3.objects


def test_no_judge_is_asked_more_than_twice(s3: FakeS3, bedrock: FakeRuntime) -> None:
    """Neither one that is lost and then leaves the schema, nor one that is lost each time."""
    for side in ("base", "tuned"):
        s3.objects[f"{PREFIX}/answers-{side}/00000.jsonl"] = lines(records(side)[:1])
    bedrock.lose(2)
    bedrock.reply = lambda _: text_reply("8 of 10")
    sides = {f"{side}_answers": answers(side, answered=1) for side in ("base", "tuned")}
    with pytest.raises(JudgementsFailed):
        judge_answers(REQUEST.model_copy(update=sides), plenty)
    assert len(bedrock.calls) <= 2 * ATTEMPTS


def test_an_answer_that_changed_between_two_tries_is_judged_anew(
    s3: FakeS3, bedrock: FakeRuntime
) -> None:
    left = iter([LIMIT_SECONDS] * 25)
    assert not judge_answers(REQUEST, lambda: next(left, 1)).done
    bedrock.calls.clear()
    changed = records("tuned")
    changed[0]["answer"] = "tuned answer, asked again"
    s3.objects[f"{PREFIX}/answers-tuned/00000.jsonl"] = lines(changed)
    judge_answers(REQUEST, plenty)
    asked = [question_in(request) for request in bedrock.called("Converse")]
    again = JudgedAnswer("q-0", "tuned", "Question 0?", "Reference 0.", changed[0]["answer"])
    assert asked.count(again.message) == 1
    assert sum("asked again" in text for text in asked) == 3, "the score and both orders"


def test_a_missing_permission_is_no_failed_judgement(s3: FakeS3, bedrock: FakeRuntime) -> None:
    bedrock.fail("Converse", *["AccessDeniedException"] * 100)
    with pytest.raises(AccessDenied):
        judge_answers(REQUEST, plenty)
    assert KEY not in s3.objects


def test_the_verdict_is_written_with_every_question(s3: FakeS3, bedrock: FakeRuntime) -> None:
    fail_answers(s3, "tuned", 2)
    judgements = judge_answers(REQUEST, plenty)
    assert bedrock.calls
    found = {"summary": {"set_aside": {"q-4": "asked twice"}}}
    s3.objects[dataset().findings_key] = json.dumps(found).encode()
    verdict = decide_verdict(VERDICT_REQUEST.model_copy(update={"judgements": judgements}))
    assert (verdict.verdict, verdict.questions, verdict.wins) == ("better", 8, 8)
    assert (verdict.set_aside, verdict.missing) == (1, 1)
    document = json.loads(s3.objects[verdict.verdict_key])
    assert document["dataset_sha256"] == dataset().sha256
    assert document["sign_test_p"] == pytest.approx(2 / 2**8)
    assert document["set_aside_questions"] == {"q-4": "asked twice"}
    assert document["per_question"][1:3] == [
        {"id": "q-1", "base": 3, "tuned": 8, "difference": 5},
        {"id": "q-2", "base": 3, "tuned": None, "difference": None},
    ]


def test_many_questions_are_judged_shard_by_shard(s3: FakeS3, bedrock: FakeRuntime) -> None:
    """A finished one is not read again; failures count over all of them."""
    for side in ("base", "tuned"):
        for shard in range(3):
            own = [{**each, "id": f"{shard}-{each['id']}"} for each in records(side)]
            s3.objects[f"{PREFIX}/answers-{side}/0000{shard}.jsonl"] = lines(own)
    sides = {f"{side}_answers": answers(side, answered=30, shards=3) for side in ("base", "tuned")}
    request = REQUEST.model_copy(update=sides)
    left = iter([LIMIT_SECONDS] * 60)
    first = judge_answers(request, lambda: next(left, 1))
    assert not first.done
    for key in [*s3.objects]:
        if key.startswith(f"{FOLDER}00000/"):
            del s3.objects[key]
    last = judge_answers(request, plenty)
    assert (last.done, last.judged, last.input_tokens) == (True, 30, 3 * 440)
    assert len(bedrock.calls) == 120
    assert [key for key in sorted(s3.objects) if key.startswith(f"{FOLDER}tallies/")] == [
        f"{FOLDER}tallies/0000{shard}.json" for shard in range(3)
    ]
