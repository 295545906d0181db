from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import pytest

from lambdas.domain.errors import AccessDenied, JudgementsFailed
from lambdas.domain.evaluation.judge import JudgedAnswer
from lambdas.domain.evaluation.prompt_files import Language, correctness, preference
from lambdas.domain.evaluation.results import results_of
from lambdas.domain.evaluation.rubrics import ATTEMPTS, MAX_TOKENS
from lambdas.domain.run.contracts import (
    DecideVerdictRequest,
    JudgeAnswersRequest,
    Judgements,
    OtherAnswers,
    Similarity,
)
from lambdas.handlers.decide_verdict import decide_verdict
from lambdas.handlers.judge_answers import judge_answers
from tests.factories import NOW, PREFIX, answers, dataset, report_request, run
from tests.fakes import bedrock as fakes_bedrock
from tests.fakes import s3 as fakes_s3
from tests.fakes.bedrock import FakeRuntime, question_in, text_reply, tool_reply
from tests.fakes.function import LIMIT_SECONDS, plenty
from tests.fakes.s3 import FakeS3, client_error

FOLDER = f"{PREFIX}/judgements/"
KEY = f"{FOLDER}00000.jsonl"
REQUEST = JudgeAnswersRequest(
    run=run(),
    now=NOW,
    dataset=dataset(),
    base_answers=answers("base", answered=10),
    tuned_answers=answers("tuned", answered=10),
)
VERDICT_REQUEST = DecideVerdictRequest(
    **dict(REQUEST), judgements=report_request().judgements, similarity=Similarity()
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
        prompts=("correctness.en.v1", "preference.en.v1"),
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
                    "inputSchema": {"json": correctness("en").tool_schema},
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


@pytest.mark.parametrize(
    ("setting", "is_japanese", "language"),
    [("auto", False, "en"), ("auto", True, "ja"), ("en", True, "en"), ("ja", False, "ja")],
)
def test_the_judge_is_told_in_the_language_of_the_texts_unless_it_is_given(
    s3: FakeS3, bedrock: FakeRuntime, setting: str, *, is_japanese: bool, language: Language
) -> None:
    assert s3.objects
    asked = {
        "run": run(judge_prompt=setting),
        "dataset": dataset(is_japanese=is_japanese),
    }
    judgements = judge_answers(REQUEST.model_copy(update=asked), plenty)
    assert judgements.prompts == (f"correctness.{language}.v1", f"preference.{language}.v1")
    told = {request["system"][0]["text"] for request in bedrock.called("Converse")}
    assert told == {tool.system_prompt for tool in (correctness(language), preference(language))}


def test_another_prompt_judges_anew(s3: FakeS3, bedrock: FakeRuntime) -> None:
    """As in a try of the state after a deployment that brought the next version."""
    judge_answers(REQUEST, plenty)
    for key in [key for key in s3.objects if "/tallies/" in key]:
        del s3.objects[key]
    before = len(bedrock.calls)
    judge_answers(REQUEST.model_copy(update={"run": run(judge_prompt="ja")}), plenty)
    assert len(bedrock.calls) == 2 * before


def test_the_prompt_depends_on_the_texts_alone() -> None:
    names = {each.name for each in fields(JudgedAnswer)} - {"id", "side"}
    one = JudgedAnswer(id="1", side="base", **dict.fromkeys(names, "x"))
    other = JudgedAnswer(id="2", side="tuned", **dict.fromkeys(names, "x"))
    assert one.message == other.message


def test_general_questions_are_scored_and_not_compared(s3: FakeS3, bedrock: FakeRuntime) -> None:
    for side in ("base", "tuned"):
        own = [each | {"general": True} for each in records(side)[8:]]
        s3.objects[f"{PREFIX}/answers-{side}/00000.jsonl"] = lines(records(side)[:8] + own)
    assert judge_answers(REQUEST, plenty).judged == 10
    assert len(bedrock.calls) == 2 * 10 + 2 * 8
    assert results(s3)[9]["general"]
    assert "preferences" not in results(s3)[9]


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
        "asked_tokens": 1,
        "said_tokens": 1,
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


@pytest.mark.slow
def test_no_id_makes_a_score_and_a_preference_one(s3: FakeS3, bedrock: FakeRuntime) -> None:
    """Each would replace the other's record, and be asked about again in every pass."""
    for side in ("base", "tuned"):
        asked = records(side)
        asked[1]["id"] = "first, q-0"
        s3.objects[f"{PREFIX}/answers-{side}/00000.jsonl"] = lines(asked)
    judge_answers(REQUEST, plenty)
    assert len(bedrock.calls) == 40
    del s3.objects[f"{FOLDER}tallies/00000.json"]
    judge_answers(REQUEST, plenty)
    assert len(bedrock.calls) == 40


def test_judging_goes_on_where_it_ran_out_of_time(s3: FakeS3, bedrock: FakeRuntime) -> None:
    left = iter([LIMIT_SECONDS] * 7)
    first = judge_answers(REQUEST, lambda: next(left, 1))
    assert not first.done
    assert 0 < len(bedrock.calls) <= 7
    assert judge_answers(REQUEST, plenty).done
    assert len(bedrock.calls) == 40
    assert len(written(s3)) == 10


def test_a_judge_that_throttles_without_end_is_said_to(
    s3: FakeS3, bedrock: FakeRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nothing that is asked about later, of which there is nothing here, hides why."""
    slept: list[float] = []
    monkeypatch.setattr("lambdas.aws.converse.time.sleep", slept.append)
    assert s3.objects
    bedrock.fail("Converse", *["ThrottlingException"] * 1000)
    with pytest.raises(
        JudgementsFailed, match=r"a whole pass added nothing: could not ask .*Thrott"
    ):
        judge_answers(REQUEST, lambda: LIMIT_SECONDS - sum(slept) / 8)


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


OTHERS = OtherAnswers(
    answers={"few-shot": answers("few-shot", answered=10), "nova-lite": answers("nova-lite")},
    failures={"nova-lite": "AccessDenied: no"},
)
COMPARED = REQUEST.model_copy(
    update={"run": run(also_compare=["few-shot", "nova-lite"]), "other_answers": OTHERS}
)


@pytest.fixture
def other_answers(s3: FakeS3) -> FakeS3:
    s3.objects[f"{PREFIX}/answers-few-shot/00000.jsonl"] = lines(records("few-shot"))
    s3.objects[f"{PREFIX}/validation.json"] = json.dumps({"summary": {"set_aside": {}}}).encode()
    return s3


def test_other_models_are_scored_by_themselves_and_compared_with_none(
    other_answers: FakeS3, bedrock: FakeRuntime
) -> None:
    judgements = judge_answers(COMPARED, plenty)
    assert (judgements.judged, judgements.failed, judgements.done) == (10, 0, True)
    assert len(bedrock.calls) == 10 * (2 + 2 + 1)
    assert all(
        each["others"] == {"few-shot": each["base"]} and each["base"]["score"] == 3
        for each in written(other_answers)
    )
    # All tokens of the judge are billed as judgements.
    alone = judge_answers(REQUEST.model_copy(update={"run": run(prefix="runs/other")}), plenty)
    assert judgements.input_tokens * 4 == alone.input_tokens * 5


def test_a_judge_that_fails_on_another_model_fails_no_run(
    other_answers: FakeS3, bedrock: FakeRuntime
) -> None:
    def refuses_few_shot(request: Mapping[str, Any]) -> dict[str, Any]:
        if is_about("few-shot answer", request):
            return tool_reply({"score": "none"})
        return prefers_tuned(request)

    bedrock.reply = refuses_few_shot
    judgements = judge_answers(COMPARED, plenty)
    assert (judgements.judged, judgements.failed, judgements.done) == (10, 0, True)
    said = [each["others"]["few-shot"] for each in written(other_answers)]
    assert all("OutOfSchema" in each["judge_error"] for each in said)


def test_a_judge_that_throttles_without_end_on_another_model_fails_no_run(
    other_answers: FakeS3, bedrock: FakeRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def throttles_few_shot(request: Mapping[str, Any]) -> dict[str, Any]:
        if is_about("few-shot answer", request):
            raise client_error("ThrottlingException", operation="Converse")
        return prefers_tuned(request)

    slept: list[float] = []
    monkeypatch.setattr("lambdas.aws.converse.time.sleep", slept.append)
    bedrock.reply = throttles_few_shot
    assert not judge_answers(COMPARED, lambda: LIMIT_SECONDS - sum(slept) / 8).done
    slept.clear()
    judged = judge_answers(COMPARED, lambda: LIMIT_SECONDS - sum(slept) / 8)
    assert (judged.done, judged.judged, judged.failed) == (True, 10, 0)
    assert all("others" not in each for each in written(other_answers))
    request = DecideVerdictRequest(**dict(COMPARED), judgements=judged, similarity=Similarity())
    assert decide_verdict(request).alternatives[0] == (
        "The base model with examples has too few scores beside the tuned model's to compare them."
    )


def test_a_judge_without_time_for_other_models_is_not_done(
    other_answers: FakeS3, bedrock: FakeRuntime
) -> None:
    assert other_answers.objects
    left = iter([LIMIT_SECONDS] * 44)
    first = judge_answers(COMPARED, lambda: next(left, 100))
    assert not first.done
    asked = len(bedrock.calls)
    assert 40 <= asked < 50
    assert judge_answers(COMPARED, plenty).done
    assert len(bedrock.calls) == 50


def test_the_verdict_says_how_every_model_stands(
    other_answers: FakeS3, bedrock: FakeRuntime
) -> None:
    assert bedrock
    judged = judge_answers(COMPARED, plenty)
    request = DecideVerdictRequest(**dict(COMPARED), judgements=judged, similarity=Similarity())
    verdict = decide_verdict(request)
    assert verdict.verdict == "better"
    assert verdict.alternatives == ("Amazon Nova Lite could not be compared: AccessDenied: no",)
    kept = json.loads(other_answers.objects[verdict.verdict_key])
    assert kept["alternatives"] == [*verdict.alternatives]
    found = {each["key"]: each for each in kept["standings"]}
    assert [*found] == ["base", "tuned", "few-shot", "nova-lite"]
    assert found["few-shot"] == {**found["base"], **{k: found["few-shot"][k] for k in _OWN}}
    assert found["few-shot"]["tuned_is"] == "better"
    assert found["tuned"]["score"]["mean"] == 8
    assert found["nova-lite"]["failure"] == "AccessDenied: no"
    joined, *_ = other_answers.objects[f"{verdict.results_prefix}00000.jsonl"].splitlines()
    assert json.loads(joined)["others"]["few-shot"]["answer"] == "few-shot answer 0"


_OWN = ("key", "name", "characters")


def test_what_is_forgotten_is_in_the_headline_whatever_was_gained(
    s3: FakeS3, bedrock: FakeRuntime
) -> None:
    """General questions decide nothing else, and a set-aside one not even that."""

    def forgets(request: Mapping[str, Any]) -> dict[str, Any]:
        if "general" in question_in(request):
            return tool_reply({"score": 1 if is_about("tuned", request) else 9, "reason": "x"})
        return prefers_tuned(request)

    bedrock.reply = forgets
    for side in ("base", "tuned"):
        own = [
            each | {"id": f"general/{each['id']}", "question": "a general one", "general": True}
            for each in records(side)
        ]
        s3.objects[f"{PREFIX}/answers-{side}/00000.jsonl"] = lines(records(side) + own)
    judged = judge_answers(REQUEST, plenty)
    summary = {"set_aside": {}, "general_set_aside": {"q-0": "asked twice"}}
    s3.objects[dataset().findings_key] = json.dumps({"summary": summary}).encode()
    verdict = decide_verdict(VERDICT_REQUEST.model_copy(update={"judgements": judged}))
    assert (verdict.verdict, verdict.questions, verdict.wins) == ("better", 10, 10)
    assert verdict.sentence == (
        "Tuning made the answers better. It has forgotten: its answers to general questions "
        "got worse."
    )
    assert verdict.forgetting is not None
    assert (verdict.forgetting.questions, verdict.forgetting.set_aside) == (9, 1)
    assert json.loads(s3.objects[verdict.verdict_key])["sentence"] == verdict.sentence


def test_questions_that_were_not_compared_with_all_are_a_caveat(
    s3: FakeS3, bedrock: FakeRuntime
) -> None:
    judged = judge_answers(REQUEST, plenty)
    request = VERDICT_REQUEST.model_copy(update={"judgements": judged})
    for file, said in (("evaluation.jsonl", True), ("training.jsonl", False)):
        counts = [{"file": file, "code": "not-compared", "severity": "warning", "count": 1}]
        summary = {"set_aside": {}, "counts": counts}
        s3.objects[dataset().findings_key] = json.dumps({"summary": summary}).encode()
        verdict = decide_verdict(request)
        assert any("Not every question was compared" in each for each in verdict.caveats) is said
        assert json.loads(s3.objects[verdict.verdict_key])["caveats"] == [*verdict.caveats]
    assert bedrock.calls


def test_questions_that_are_gone_from_the_answers_are_a_caveat(
    s3: FakeS3, bedrock: FakeRuntime
) -> None:
    """As in an earlier run's files, which are read again much later."""
    s3.objects[dataset().findings_key] = json.dumps({"summary": {"set_aside": {}}}).encode()
    judged = judge_answers(REQUEST, plenty)
    for asked, said in ((10, False), (12, True)):
        about = {"dataset": dataset(evaluation_examples=asked), "judgements": judged}
        verdict = decide_verdict(VERDICT_REQUEST.model_copy(update=about))
        gone = [each for each in verdict.caveats if "2 of 12 questions are in no file" in each]
        assert bool(gone) is said
    assert bedrock.calls
