"""What the frame around every handler logs: how it went, and never what it was about."""

import io
import logging
from collections.abc import Iterator

import pytest
from pydantic import ValidationError

from lambdas.domain.errors import InputInvalid, RequestRefused
from lambdas.domain.run.contracts import Contract, StateRequest
from lambdas.runtime.step import logger, step
from tests.factories import NOW, run

SECRET = "what the customer asked"
EVENT = {"run": run(system_prompt=SECRET).model_dump(mode="json"), "now": NOW.isoformat()}


class Answer(Contract):
    text: str


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logger.registered_formatter)
    logger.addHandler(handler)
    yield stream
    logger.removeHandler(handler)


def test_a_result_reaches_the_state_and_no_log(log: io.StringIO) -> None:
    answer = step("Answer", StateRequest)(lambda _: Answer(text=SECRET))
    assert answer(EVENT, None) == {"text": SECRET}
    assert '"step":"Answer"' in log.getvalue()
    assert SECRET not in log.getvalue()


def test_an_input_that_does_not_parse_is_named_and_not_shown(log: io.StringIO) -> None:
    handler = step("Answer", StateRequest)(lambda _: Answer(text=""))
    event = {**EVENT, "now": SECRET}
    with pytest.raises(InputInvalid, match="now: ") as error:
        handler(event, None)
    assert SECRET not in str(error.value) + log.getvalue()


def test_an_unexpected_error_is_logged_without_what_it_was_about(log: io.StringIO) -> None:
    def parse(_: StateRequest) -> Answer:
        return Answer.model_validate({"text": {"question": SECRET}})

    with pytest.raises(ValidationError) as error:
        step("Answer", StateRequest)(parse)(EVENT, None)
    assert "unexpected error" in log.getvalue()
    assert SECRET not in str(error.value) + log.getvalue()


def test_what_a_person_must_do_is_logged(log: io.StringIO) -> None:
    def refuse(_: StateRequest) -> Answer:
        raise RequestRefused("raise the quota")

    with pytest.raises(RequestRefused):
        step("Answer", StateRequest)(refuse)(EVENT, None)
    assert "raise the quota" in log.getvalue()
