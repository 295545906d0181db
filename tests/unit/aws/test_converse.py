from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from botocore.awsrequest import AWSPreparedRequest
from botocore.exceptions import (
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ReadTimeoutError,
)

from lambdas.aws.clients import client as aws_client
from lambdas.aws.converse import BACKOFF_SECONDS, ConverseClient, Patience, read_seconds
from lambdas.domain.errors import (
    AnswerLost,
    OutOfTime,
    RequestRefused,
    ServiceUnavailable,
    Throttled,
)
from lambdas.domain.run.execution_input import ExecutionDefaults
from lambdas.validation.formats.conversation import Turn
from tests.fakes.bedrock import FakeRuntime, question_in, text_reply
from tests.fakes.function import LIMIT_SECONDS

ASKED = [Turn("user", "Q")]


def echo(request: Mapping[str, Any]) -> dict[str, Any]:
    return text_reply(f"I say: {question_in(request)}")


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    slept: list[float] = []
    monkeypatch.setattr("lambdas.aws.converse.time.sleep", slept.append)
    return slept


def test_patience_ends_for_all_questions_together(pauses: list[float]) -> None:
    fake = FakeRuntime(echo)
    fake.fail("Converse", *["ThrottlingException"] * 1000)
    client = ConverseClient(fake, Patience(seconds=40))
    for _ in range(9):
        with pytest.raises(Throttled):
            client.ask("m", ASKED, system=None, max_tokens=5)
    assert sum(pauses) <= 40
    assert len(fake.calls) < 9 * (len(BACKOFF_SECONDS) + 1)


@pytest.mark.parametrize(
    ("code", "error"),
    [("ModelNotReadyException", Throttled), ("ModelErrorException", None), ("Odd", RequestRefused)],
)
def test_the_client_names_its_errors(
    code: str, error: type[Exception] | None, pauses: list[float]
) -> None:
    fake = FakeRuntime(echo)
    fake.fail("Converse", *[code] * (len(BACKOFF_SECONDS) + bool(error)))
    client = ConverseClient(fake)
    if error is None:
        assert client.ask("m", ASKED, system=None, max_tokens=5).text == "I say: Q"
    else:
        with pytest.raises(error, match="could not ask m"):
            client.ask("m", ASKED, system=None, max_tokens=5)
    assert len(pauses) == (0 if error is RequestRefused else len(BACKOFF_SECONDS))


def test_what_may_not_be_retried_is_asked_once(pauses: list[float]) -> None:
    fake = FakeRuntime(echo)
    fake.fail("Converse", "ThrottlingException", "ModelErrorException")
    client = ConverseClient(fake, may_retry=lambda error: isinstance(error, Throttled))
    with pytest.raises(ServiceUnavailable):
        client.ask("m", ASKED, system=None, max_tokens=5)
    assert pauses == [BACKOFF_SECONDS[0]]


def sent_and_lost(error: Exception, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, list[str]]:
    """Return botocore's own client, each of whose requests ends so, and the list of them."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-west-2")
    bedrock: Any = aws_client.__wrapped__("bedrock-runtime")
    sent: list[str] = []

    def send(request: AWSPreparedRequest, **_: object) -> None:
        sent.append(request.url)
        raise error

    bedrock.meta.events.register("before-send.bedrock-runtime.Converse", send)
    return bedrock, sent


@pytest.mark.parametrize(
    "error", [ReadTimeoutError(endpoint_url="…"), ConnectionClosedError(endpoint_url="…")]
)
def test_what_may_be_paid_for_is_sent_once(
    error: Exception, monkeypatch: pytest.MonkeyPatch, pauses: list[float]
) -> None:
    """By botocore and by us together."""
    bedrock, sent = sent_and_lost(error, monkeypatch)
    with pytest.raises(AnswerLost, match="it may be paid for"):
        ConverseClient(bedrock).ask("m", ASKED, system=None, max_tokens=5)
    assert len(sent) == 1
    assert not pauses


@pytest.mark.parametrize(
    "error", [ConnectTimeoutError(endpoint_url="…"), EndpointConnectionError(endpoint_url="…")]
)
def test_what_never_reached_the_model_is_sent_again(
    error: Exception, monkeypatch: pytest.MonkeyPatch, pauses: list[float]
) -> None:
    bedrock, sent = sent_and_lost(error, monkeypatch)
    with pytest.raises(ServiceUnavailable) as caught:
        ConverseClient(bedrock).ask("m", ASKED, system=None, max_tokens=5)
    assert not isinstance(caught.value, AnswerLost)
    assert len(sent) == 1 + len(BACKOFF_SECONDS)
    assert len(pauses) == len(BACKOFF_SECONDS)


def test_a_model_that_timed_out_may_have_been_paid_for(pauses: list[float]) -> None:
    fake = FakeRuntime(echo)
    fake.fail("Converse", "ModelTimeoutException")
    with pytest.raises(AnswerLost):
        ConverseClient(fake).ask("m", ASKED, system=None, max_tokens=5)
    assert not pauses


def test_the_read_time_out_follows_the_length_of_an_answer() -> None:
    """4,096 tokens at 60 a second take longer than botocore's 60 s."""
    longest = ExecutionDefaults.model_json_schema()["properties"]["max_answer_tokens"]["maximum"]
    assert longest / 60 < read_seconds(longest) < LIMIT_SECONDS - 60
    assert read_seconds(1) < read_seconds(512) < read_seconds(longest)


def test_no_pause_outlives_the_function(pauses: list[float]) -> None:
    fake = FakeRuntime(echo)
    fake.fail("Converse", *["ThrottlingException"] * 100)
    client = ConverseClient(fake, seconds_left=lambda: 100 - sum(pauses), seconds_needed=90)
    with pytest.raises(OutOfTime, match="Throttling"):
        client.ask("m", ASKED, system=None, max_tokens=5)
    assert sum(pauses) <= 10
    assert client.may_begin()
