"""*Review records*: a row for each record, and nothing paid for twice."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from lambdas.aws.converse import read_seconds
from lambdas.domain.data_review.tasks import ReviewTask, most_input_tokens
from lambdas.domain.errors import AccessDenied, ReviewFailed
from lambdas.domain.evaluation.prompt_files import review
from lambdas.domain.evaluation.rubrics import ATTEMPTS, MAX_TOKENS
from lambdas.domain.models.lookup import find_model
from lambdas.handlers import review_records
from tests.factories import NOW, PREFIX, run
from tests.fakes.bedrock import FakeRuntime, question_in, tool_reply
from tests.fakes.function import LIMIT_SECONDS, FakeContext
from tests.fakes.s3 import FakeS3, client_error
from tests.unit.domain.data_review.made_up_records import (
    GOOD,
    dislikes_bad,
    event,
    record,
)


def asked(*records: Mapping[str, Any], seconds: float = LIMIT_SECONDS) -> dict[str, Any]:
    batch = [{"line": line, "record": each} for line, each in enumerate(records, start=5)]
    given = event(run=run(), now=NOW.isoformat(), items=batch)
    return review_records.handler(given, FakeContext(seconds))


def asked_to_review(*records: Mapping[str, Any]) -> list[dict[str, Any]]:
    reviewed = asked(*records)
    assert reviewed["done"]
    rows: list[dict[str, Any]] = reviewed["rows"]
    return rows


def most_tokens(question: str) -> int:
    """Return the most tokens that one request about a record can have."""
    task = ReviewTask.of(5, record(question), find_model(run().settings.model))
    assert task
    return most_input_tokens(task)


def test_each_record_gets_its_row(bedrock: FakeRuntime) -> None:
    rows = asked_to_review(record("Fine?"), record("bad?"))
    assert [(row["line"], row["score"]) for row in rows] == [(5, 8), (6, 2)]
    assert (rows[1]["prompt"], rows[1]["reason"]) == ("bad?", "The year is wrong.")
    assert (rows[0]["input_tokens"], rows[0]["output_tokens"]) == (11, 7)
    request = bedrock.called("Converse")[0]
    assert request["toolConfig"]["toolChoice"] == {"tool": {"name": review("en").tool_name}}
    assert request["inferenceConfig"]["maxTokens"] == MAX_TOKENS


def test_a_failure_stays_with_its_record(bedrock: FakeRuntime) -> None:
    bedrock.reply = lambda request: tool_reply(
        {"correct": 9} if "bad" in question_in(request) else GOOD
    )
    rows = asked_to_review(record("Fine?"), record("bad?"), {"messages": 3})
    assert [row["score"] for row in rows] == [8, None, None]
    assert rows[1]["error"].startswith("OutOfSchema: grounded")
    assert rows[1]["input_tokens"] == 2 * 11, "both attempts are paid for"
    assert "claude-messages" in rows[2]["error"]


@pytest.mark.parametrize("code", ["ValidationException", "ServiceUnavailableException"])
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
    bedrock.reply = lambda _: tool_reply(GOOD | {"reason": "long " * 500})
    (row,) = asked_to_review(record("Fine? " * 100))
    assert (len(row["reason"]), len(row["prompt"])) == (300, 300)


def test_a_second_call_of_a_batch_pays_for_nothing(bedrock: FakeRuntime) -> None:
    first = asked_to_review(record("Fine?"), record("bad?"))
    assert asked_to_review(record("Fine?"), record("bad?")) == first
    assert len(bedrock.called("Converse")) == 2


def journal(s3: FakeS3) -> list[dict[str, Any]]:
    """What the bucket holds of the batch."""
    prefix = f"{PREFIX}/review/batches/5/"
    return [json.loads(body) for key, body in s3.objects.items() if key.startswith(prefix)]


class Killed(BaseException):
    """The function ends in the middle, and nothing of it runs any more."""


def test_a_killed_batch_asks_once_more_about_what_it_lost_and_never_a_third_time(
    bedrock: FakeRuntime, s3: FakeS3
) -> None:
    seen: list[int] = []

    def dies(_: Mapping[str, Any]) -> dict[str, Any]:
        seen.append(journal(s3)[0]["sent"])
        raise Killed

    bedrock.reply = dies
    for _ in range(ATTEMPTS):
        with pytest.raises(Killed):
            asked_to_review(record("Fine?"))
    assert seen == [1, 2], "each request was set down before it was sent"
    (row,) = asked_to_review(record("Fine?"))
    assert "the function ended before the answer was here" in row["error"]
    assert row["lost_requests"] == ATTEMPTS, "they may be paid for, and are counted at the most"
    assert row["input_tokens"] == ATTEMPTS * most_tokens("Fine?")
    assert row["output_tokens"] == ATTEMPTS * MAX_TOKENS
    assert len(bedrock.called("Converse")) == ATTEMPTS


def test_a_batch_that_was_killed_once_keeps_its_reviews_and_recovers(
    bedrock: FakeRuntime,
) -> None:
    """The first answer leaves the schema, and the function dies at the second attempt."""
    bad = [{"correct": 9}]

    def reply(request: Mapping[str, Any]) -> dict[str, Any]:
        if "bad" not in question_in(request):
            return tool_reply(GOOD)
        if bad:
            return tool_reply(bad.pop())
        raise Killed

    bedrock.reply = reply
    with pytest.raises(Killed):
        asked_to_review(record("Fine?"), record("bad?"))
    fine, lost = asked_to_review(record("Fine?"), record("bad?"))
    assert (fine["score"], lost["score"]) == (8, None)
    assert lost["input_tokens"] == 11 + most_tokens("bad?"), "what was counted stays counted"
    assert len(bedrock.called("Converse")) == 3


def test_a_lost_review_is_asked_for_once_more_and_its_most_is_counted(bedrock: FakeRuntime) -> None:
    bedrock.lose(1)
    (row,) = asked_to_review(record("Fine?"))
    assert row["score"] == 8
    assert row["output_tokens"] == 7 + MAX_TOKENS
    assert row["input_tokens"] > 11
    assert len(bedrock.called("Converse")) == 2


def test_each_review_is_kept_as_it_comes(bedrock: FakeRuntime) -> None:
    """One of ten kills the function: the others are not asked again."""

    def reply(request: Mapping[str, Any]) -> dict[str, Any]:
        if "bad" in question_in(request) and len(bedrock.calls) <= 10:
            raise Killed
        return tool_reply(GOOD)

    bedrock.reply = reply
    batch = [*(record(f"Fine {n}?") for n in range(9)), record("bad?")]
    with pytest.raises(Killed):
        asked_to_review(*batch)
    rows = asked_to_review(*batch)
    assert all(row["score"] == 8 for row in rows)
    assert len(bedrock.called("Converse")) == 11


SECONDS_NEEDED = read_seconds(MAX_TOKENS) + 30  # by one request, and by keeping what came of it


def test_a_batch_that_runs_out_of_time_goes_on_where_it_stopped(
    bedrock: FakeRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Throttled when no time is left to wait: the record is not settled, and not failed."""
    monkeypatch.setattr("lambdas.aws.converse.BACKOFF_SECONDS", (32.0,))
    batch = [record("Fine?"), record("bad?")]
    context = FakeContext(SECONDS_NEEDED + 1)

    def reply(request: Mapping[str, Any]) -> dict[str, Any]:
        if "bad" in question_in(request) and context.seconds:
            context.seconds = 0
            raise client_error("ThrottlingException")
        return dislikes_bad(request)

    bedrock.reply = reply
    items = [{"line": line, "record": each} for line, each in enumerate(batch, start=5)]
    first = review_records.handler(event(run=run(), now=NOW, items=items), context)
    assert not first["done"]
    second = asked_to_review(*batch)
    assert [row["score"] for row in second] == [8, 2]
    assert [row["lost_requests"] for row in second] == [0, 0]


def test_a_batch_for_which_no_pass_has_time_says_so(bedrock: FakeRuntime) -> None:
    with pytest.raises(ReviewFailed, match=r"0 of 1 records .* a whole pass added none: no time"):
        asked(record("Fine?"), seconds=SECONDS_NEEDED - 1)
    assert not bedrock.calls
