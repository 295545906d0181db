from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from lambdas.aws.converse import BACKOFF_SECONDS, ConverseClient, Patience
from lambdas.domain.errors import RequestRefused, ServiceUnavailable, Throttled
from tests.fakes.bedrock import FakeRuntime, question_in, text_reply


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
            client.ask("m", "Q", system=None, max_tokens=5)
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
        assert client.ask("m", "Q", system=None, max_tokens=5).text == "I say: Q"
    else:
        with pytest.raises(error, match="could not ask m"):
            client.ask("m", "Q", system=None, max_tokens=5)
    assert len(pauses) == (0 if error is RequestRefused else len(BACKOFF_SECONDS))


def test_what_may_not_be_retried_is_asked_once(pauses: list[float]) -> None:
    fake = FakeRuntime(echo)
    fake.fail("Converse", "ThrottlingException", "ModelErrorException")
    client = ConverseClient(fake, may_retry=lambda error: isinstance(error, Throttled))
    with pytest.raises(ServiceUnavailable):
        client.ask("m", "Q", system=None, max_tokens=5)
    assert pauses == [BACKOFF_SECONDS[0]]
