"""The review of training data: what is asked, what it may cost, what is made of the scores."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.domain.cost.price_book import PriceBook
from lambdas.domain.data_review import review
from lambdas.domain.data_review.results import ended, summarise, worst_rows
from lambdas.domain.data_review.sampling import MAX_RECORD_BYTES, quoted_usd, task_of
from lambdas.domain.errors import (
    AccessDenied,
    CostCeilingExceeded,
    DatasetBelowThreshold,
    ReviewFailed,
)
from lambdas.domain.evaluation.judge import OutOfSchema
from lambdas.domain.models.lookup import find_model
from lambdas.domain.run.contracts import ReviewRow
from lambdas.handlers import plan_review, review_records, summarise_review
from lambdas.validation import Conversation, Turn, make_record
from local.bedrock.inference.judge import is_review
from local.bedrock.inference.judge import review as offline_review
from tests.factories import NOW, PREFIX, dataset, run
from tests.fakes import s3 as fakes_s3
from tests.fakes.bedrock import FakeRuntime, install, question_in, used_tool
from tests.fakes.s3 import FakeS3

RATES = review.Rates(0.0008, 0.0032)
GOOD = {"correct": 9, "grounded": 8, "clear": 10, "consistent": 9, "reason": "No flaw."}
BAD = {"correct": 2, "grounded": 8, "clear": 9, "consistent": 9, "reason": "The year is wrong."}
TRAINING = "datasets/default/training.jsonl"


def record(question: str, answer: str = "It is so.") -> dict[str, Any]:
    return make_record("claude-messages", "Be brief.", question, answer)


def lines(*records: Mapping[str, Any]) -> bytes:
    return "".join(json.dumps(each) + "\n" for each in records).encode()


def dislikes_bad(request: Mapping[str, Any]) -> dict[str, Any]:
    return used_tool(BAD if "bad" in question_in(request) else GOOD)


@pytest.fixture(autouse=True)
def s3(monkeypatch: pytest.MonkeyPatch) -> FakeS3:
    monkeypatch.setenv("PRICE_OVERRIDES", "{}")
    fake = FakeS3({TRAINING: lines(*(record(f"Question {n}?") for n in range(40)))})
    fakes_s3.install(monkeypatch, fake)
    return fake


@pytest.fixture
def bedrock(monkeypatch: pytest.MonkeyPatch) -> FakeRuntime:
    fake = FakeRuntime(dislikes_bad)
    install(monkeypatch, bedrock_runtime=fake)
    monkeypatch.setattr("lambdas.aws.converse.BACKOFF_SECONDS", ())
    return fake


# What is asked, and what is read of the answer


def test_the_judge_sees_system_prompt_prompt_and_answer() -> None:
    turns = Turn("user", "Hi?"), Turn("assistant", "Hello."), Turn("user", "And?")
    task = review.Task.of(3, Conversation("Be brief.", (*turns, Turn("assistant", "Bye."))))
    asked = review.prompt(task)
    assert "<system_prompt>Be brief.</system_prompt>" in asked
    assert "<prompt>user: Hi?\n\nassistant: Hello.\n\nuser: And?</prompt>" in asked
    assert asked.endswith("<answer>Bye.</answer>")


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (None, "did not call record_review"),
        ({**GOOD, "clear": 11}, "clear: score is 11"),
        ({**GOOD, "grounded": "high"}, "grounded: "),
        ({**GOOD, "consistent": None}, "consistent: "),
        ({name: GOOD[name] for name in review.CRITERIA}, "reason is None"),
    ],
)
def test_what_leaves_the_schema_is_refused(wrong: object, says: str) -> None:
    with pytest.raises(OutOfSchema, match=says):
        review.parse_review(wrong)


def test_a_record_is_as_good_as_its_worst_side() -> None:
    found = review.parse_review({**GOOD, "clear": "4", "correct": 9.0})
    assert found.scores == {"correct": 9, "grounded": 8, "clear": 4, "consistent": 9}
    assert found.score == 4


def test_the_schema_allows_exactly_the_four_scores_and_the_reason() -> None:
    assert set(review.TOOL_SCHEMA["required"]) == {*review.CRITERIA, "reason"}
    assert review.TOOL_SCHEMA["additionalProperties"] is False


# What it costs


def test_worst_cost_by_hand() -> None:
    # Two attempts of 1,000 tokens in and 500 out: 2 x (0.0008 + 0.0016).
    assert RATES.worst_usd(1000) == pytest.approx(0.0048)
    assert review.affordable_records([1000] * 10, 0.0145, RATES) == 3
    assert review.affordable_records([1000], 0.0047, RATES) == 0


@given(st.lists(st.integers(0, 100_000)), st.floats(0, 5))
def test_what_is_affordable_never_costs_more_than_the_ceiling(
    tokens: list[int], max_usd: float
) -> None:
    count = review.affordable_records(tokens, max_usd, RATES)
    assert sum(map(RATES.worst_usd, tokens[:count])) <= max_usd * (1 + 1e-9)
    if count < len(tokens):
        assert sum(map(RATES.worst_usd, tokens[: count + 1])) > max_usd * (1 - 1e-9)


def test_the_estimate_covers_all_that_is_sent() -> None:
    task = review.Task(1, "Be brief.", "日本語の質問" * 50, "答え" * 50)
    sent = review.SYSTEM_PROMPT + json.dumps(review.TOOL_SCHEMA) + review.prompt(task)
    assert review.most_input_tokens(task) > len(sent) / 4 + 340  # Anthropic's words for a tool
    longer = review.Task(1, "Be brief.", "日本語の質問" * 100, "答え" * 50)
    assert review.most_input_tokens(longer) > review.most_input_tokens(task)


def test_a_fingerprint_names_judge_and_record_but_not_the_line() -> None:
    task = review.Task(1, None, "a", "b")
    assert review.fingerprint("nova-pro", task) == review.fingerprint(
        "nova-pro", review.Task(9, None, "a", "b")
    )
    others = [review.Task(1, "s", "a", "b"), review.Task(1, None, "a", "c")]
    names = {review.fingerprint("nova-pro", each) for each in (task, *others)}
    assert len(names | {review.fingerprint("claude-haiku-4-5", task)}) == 4


# Plan review


def plan(max_usd: float, **changes: object) -> dict[str, Any]:
    values = {"training_records": 40, "training_tokens": 4000} | changes
    event = {"run": run(max_review_usd=max_usd), "now": NOW, "dataset": dataset(**values)}
    return plan_review.handler({k: _json(v) for k, v in event.items()}, None)


def _json(value: Any) -> Any:
    return value.model_dump(mode="json") if hasattr(value, "model_dump") else value


def items(s3: FakeS3) -> list[dict[str, Any]]:
    text = s3.objects[f"{PREFIX}/review/items.jsonl"].decode()
    return [json.loads(line) for line in text.splitlines()]


def test_all_records_are_planned_where_the_money_lasts(s3: FakeS3) -> None:
    done = plan(10.0)
    assert (done["planned"], done["every"]) == (40, 1)
    assert [each["line"] for each in items(s3)] == list(range(1, 41))
    assert items(s3)[6]["record"] == record("Question 6?")


def test_a_low_ceiling_spreads_over_the_whole_file_and_holds(s3: FakeS3) -> None:
    whole = plan(10.0)["worst_usd"]
    done = plan(whole / 4)
    chosen = [each["line"] for each in items(s3)]
    assert done["worst_usd"] <= whole / 4
    assert 5 <= len(chosen) <= 10
    assert chosen[-1] > 25, "the end of the file is looked at, too"
    model = find_model(run().settings.model)
    tasks = [task_of(each["line"], each["record"], model) for each in items(s3)]
    rates = review.Rates.of(PriceBook.load(), "nova-pro", "us-west-2")
    again = sum(rates.worst_usd(review.most_input_tokens(task)) for task in tasks if task)
    assert again == pytest.approx(done["worst_usd"])


def test_the_ceiling_holds_where_the_estimate_for_the_file_was_too_low(s3: FakeS3) -> None:
    s3.objects[TRAINING] = lines(*(record("what? " * 5000) for _ in range(20)))
    whole = plan(100.0, training_records=20)["worst_usd"]
    done = plan(whole / 2, training_records=20, training_tokens=0)
    assert done["every"] == 1
    assert (done["planned"], done["worst_usd"]) == (10, pytest.approx(whole / 2))


def test_a_ceiling_that_pays_for_nothing_is_refused() -> None:
    with pytest.raises(CostCeilingExceeded, match=r"max_review_usd = 0\.0001 .* Nothing was spent"):
        plan(0.0001)


def test_no_character_ends_a_line_of_the_items_early(s3: FakeS3) -> None:
    s3.objects[TRAINING] = lines(record("One\u2028two\u0085three?"))
    plan(10.0, training_records=1)
    (line,) = s3.objects[f"{PREFIX}/review/items.jsonl"].decode().splitlines()
    assert json.loads(line)["record"] == record("One\u2028two\u0085three?")


def test_a_record_no_state_could_carry_is_passed_over(s3: FakeS3) -> None:
    s3.objects[TRAINING] = lines(record("x" * MAX_RECORD_BYTES), record("Short?"))
    done = plan(10.0, training_records=2)
    assert (done["planned"], done["too_long"]) == (1, 1)
    assert items(s3)[0]["line"] == 2


def test_the_quote_is_what_may_be_spent_and_no_more() -> None:
    low, expected, high = quoted_usd(40, 4000, 10.0, RATES)
    assert 0 < low < expected < high < 10.0
    assert plan(10.0)["worst_usd"] <= high, "the file has fewer tokens than the dataset says"
    fewer = quoted_usd(40, 4000, high / 4, RATES)
    assert fewer == pytest.approx((low / 4, expected / 4, high / 4), rel=0.1)


# Review records


def asked_to_review(*records: Mapping[str, Any]) -> list[dict[str, Any]]:
    batch = [{"line": line, "record": each} for line, each in enumerate(records, start=5)]
    event = {"run": _json(run()), "now": NOW.isoformat(), "items": batch}
    rows: list[dict[str, Any]] = review_records.handler(event, None)["rows"]
    return rows


def test_each_record_gets_its_row(bedrock: FakeRuntime) -> None:
    rows = asked_to_review(record("Fine?"), record("bad?"))
    assert [(row["line"], row["score"]) for row in rows] == [(5, 8), (6, 2)]
    assert (rows[1]["prompt"], rows[1]["reason"]) == ("bad?", "The year is wrong.")
    assert (rows[0]["input_tokens"], rows[0]["output_tokens"]) == (11, 7)
    request = bedrock.called("Converse")[0]
    assert request["toolConfig"]["toolChoice"] == {"tool": {"name": review.TOOL_NAME}}
    assert request["inferenceConfig"]["maxTokens"] == review.MAX_TOKENS


def test_a_failure_stays_with_its_record(bedrock: FakeRuntime) -> None:
    bedrock.reply = lambda request: used_tool(
        {"correct": 9} if "bad" in question_in(request) else GOOD
    )
    rows = asked_to_review(record("Fine?"), record("bad?"), {"messages": 3})
    assert [row["score"] for row in rows] == [8, None, None]
    assert rows[1]["error"].startswith("OutOfSchema: grounded")
    assert rows[1]["input_tokens"] == 2 * 11, "both attempts are paid for"
    assert "claude-messages" in rows[2]["error"]


@pytest.mark.parametrize("code", ["ValidationException", "ThrottlingException"])
def test_a_refusal_is_recorded_and_a_missing_permission_is_raised(
    code: str, bedrock: FakeRuntime
) -> None:
    bedrock.fail("Converse", code)
    (row,) = asked_to_review(record("Fine?"))
    assert row["score"] is None
    assert "could not ask" in row["error"]
    bedrock.fail("Converse", "AccessDeniedException")
    with pytest.raises(AccessDenied):
        asked_to_review(*(record(f"{n}?") for n in range(2)), record("Other?"))


def test_texts_are_cut_to_what_a_state_carries(bedrock: FakeRuntime) -> None:
    bedrock.reply = lambda _: used_tool(GOOD | {"reason": "long " * 500})
    (row,) = asked_to_review(record("Fine? " * 100))
    assert (len(row["reason"]), len(row["prompt"])) == (300, 300)


def test_a_second_call_of_a_batch_pays_for_nothing(bedrock: FakeRuntime) -> None:
    first = asked_to_review(record("Fine?"), record("bad?"))
    assert asked_to_review(record("Fine?"), record("bad?")) == first
    assert len(bedrock.called("Converse")) == 2


def journal(s3: FakeS3) -> list[dict[str, Any]]:
    """What the bucket holds of the batch."""
    text = s3.objects.get(f"{PREFIX}/review/batches/5.jsonl", b"").decode()
    return [json.loads(line) for line in text.splitlines()]


class Killed(BaseException):
    """The function ends in the middle, and nothing of it runs any more."""


def test_a_killed_batch_asks_once_more_about_what_it_lost_and_never_a_third_time(
    bedrock: FakeRuntime, s3: FakeS3
) -> None:
    seen: list[int] = []

    def dies(_: Mapping[str, Any]) -> dict[str, Any]:
        seen.append(journal(s3)[0]["attempts_left"])
        raise Killed

    bedrock.reply = dies
    for _ in range(review.ATTEMPTS):
        with pytest.raises(Killed):
            asked_to_review(record("Fine?"))
    assert seen == [1, 0], "each attempt was set down before it was made"
    (row,) = asked_to_review(record("Fine?"))
    assert "ended before it kept the answer" in row["error"]
    assert len(bedrock.called("Converse")) == review.ATTEMPTS


def test_a_batch_that_was_killed_once_keeps_its_reviews_and_recovers(
    bedrock: FakeRuntime,
) -> None:
    """The first answer leaves the schema, and the function dies at the second attempt."""
    bad = [{"correct": 9}]

    def reply(request: Mapping[str, Any]) -> dict[str, Any]:
        if "bad" not in question_in(request):
            return used_tool(GOOD)
        if bad:
            return used_tool(bad.pop())
        raise Killed

    bedrock.reply = reply
    with pytest.raises(Killed):
        asked_to_review(record("Fine?"), record("bad?"))
    fine, lost = asked_to_review(record("Fine?"), record("bad?"))
    assert (fine["score"], lost["score"]) == (8, None)
    assert lost["input_tokens"] == 11, "what was counted stays counted"
    assert len(bedrock.called("Converse")) == 3


# Summarise review

MANIFEST = f"{PREFIX}/review/0f3c/manifest.json"


def child(rows: list[ReviewRow], **changes: str) -> dict[str, Any]:
    """Make an entry of a result file, as Step Functions writes it."""
    given = {"Items": [{"line": row.line, "record": {}} for row in rows]}
    return {
        "ExecutionArn": "arn:aws:states:…",
        "Input": json.dumps(given),
        "Output": json.dumps({"rows": [row.model_dump() for row in rows]}),
        "Status": "SUCCEEDED",
    } | changes


def scored(line: int, score: int, reason: str = "So so.") -> ReviewRow:
    scores = dict.fromkeys(review.CRITERIA, 9) | {"correct": score}
    row = ReviewRow(line=line, input_tokens=1000, output_tokens=100)
    return ended(row, review.Review(scores, reason))


def write_results(s3: FakeS3, **files: list[dict[str, Any]]) -> None:
    keys = {name: f"{PREFIX}/review/0f3c/{name}.json" for name in files}
    for name, children in files.items():
        s3.objects[keys[name]] = json.dumps(children).encode()
    by_status = {
        status: [{"Key": key, "Size": 1} for name, key in keys.items() if name.startswith(status)]
        for status in ("FAILED", "PENDING", "SUCCEEDED")
    }
    s3.objects[MANIFEST] = json.dumps({"ResultFiles": by_status}).encode()


def summarised(min_score: float | None = None, **changes: object) -> dict[str, Any]:
    plan = {"records": 90, "planned": 4, "every": 30, "too_long": 0, "worst_usd": 0.5}
    event = {
        "run": _json(run(min_review_score=min_score, **changes)),
        "now": NOW.isoformat(),
        "plan": plan | {"items_key": "x"},
        "results_key": MANIFEST,
    }
    return summarise_review.handler(event, None)


def test_all_result_files_come_together(s3: FakeS3) -> None:
    one, two = [scored(31, 9), scored(1, 3, "Wrong year.")], [scored(61, 6)]
    write_results(s3, SUCCEEDED_0=[child(one)], SUCCEEDED_1=[child(two)])
    done = summarised()
    assert (done["reviewed"], done["failed"], done["mean_score"], done["poor"]) == (3, 0, 6.0, 1)
    assert done["usd"] == pytest.approx(3 * (0.0008 + 0.00032), abs=1e-4)
    kept = json.loads(s3.objects[f"{PREFIX}/review.json"])
    assert kept["summary"]["not_reviewed"] == 87
    assert [row["line"] for row in kept["summary"]["worst"]] == [1, 61, 31]
    rows = s3.objects[f"{PREFIX}/review/rows.jsonl"].decode().splitlines()
    assert [json.loads(row)["line"] for row in rows] == [1, 31, 61]


def test_below_the_threshold_the_run_stops_and_the_worst_lines_are_named(s3: FakeS3) -> None:
    rows = [scored(4, 2, "The year is wrong."), scored(2, 9), scored(9, 5)]
    write_results(s3, SUCCEEDED_0=[child(rows)])
    with pytest.raises(DatasetBelowThreshold) as refused:
        summarised(6.0)
    said = str(refused.value)
    assert "scores 5.33 of 10 on average, below min_review_score = 6" in said
    assert "The worst: line 4 (2: The year is wrong); line 9 (5: So so); line 2" in said
    assert "Nothing was trained" in said
    assert f"{PREFIX}/review.json" in s3.objects, "what there is to correct is kept"


def test_at_the_threshold_or_without_one_the_run_goes_on(s3: FakeS3) -> None:
    write_results(s3, SUCCEEDED_0=[child([scored(1, 5), scored(2, 7)])])
    assert summarised(6.0)["mean_score"] == 6.0
    write_results(s3, SUCCEEDED_0=[child([scored(1, 1)])])
    assert summarised(None)["mean_score"] == 1.0


def test_the_records_of_a_failed_child_count_as_failed(s3: FakeS3) -> None:
    died = child([scored(7, 9), scored(8, 9)], Status="FAILED", Error="Lambda.Unknown", Cause="oom")
    del died["Output"]
    write_results(s3, SUCCEEDED_0=[child([scored(1, 9)])], FAILED_0=[died])
    assert summarised(max_failed_answers_percent=70)["failed"] == 2
    with pytest.raises(ReviewFailed, match=r"2 of 3 \(67 %\) failed.* Lambda\.Unknown: oom"):
        summarised()


def test_nothing_reviewed_is_no_good_review(s3: FakeS3) -> None:
    write_results(s3, SUCCEEDED_0=[])
    with pytest.raises(ReviewFailed):
        summarised(max_failed_answers_percent=100)


def test_the_worst_are_ordered_by_score_then_by_all_scores() -> None:
    low = ended(ReviewRow(line=8), review.Review(dict.fromkeys(review.CRITERIA, 3), ""))
    rows = [scored(1, 9), scored(2, 3), low]
    assert [row.line for row in worst_rows(rows, 2)] == [8, 2]
    summary = summarise(rows, records=3, rates=RATES, poor_score=9)
    assert (summary.poor, summary.poor_percent) == (2, 66.7)
    assert summary.criterion_means["correct"] == 5.0


# The offline judge


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
    assert review.parse_review(found).score <= at_most
    fine = offline_review("", "What is S3?", "S3 is object storage.")
    assert fine[criterion] > at_most


def test_the_offline_judge_knows_a_review_by_its_schema() -> None:
    assert is_review(review.TOOL_SCHEMA)
    assert not is_review({"properties": {"score": {}, "reason": {}}})
