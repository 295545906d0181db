"""The model that writes the pairs, asked by Converse with patience for throttling."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ConnectionClosedError, ReadTimeoutError

from lambdas.aws.clients import code_of, translated
from lambdas.domain.errors import RequestRefused, ServiceUnavailable, Throttled

# Quotas are by the minute, so that two minutes of waiting in all outlast one that is used up.
BACKOFF_SECONDS = (2.0, 4.0, 8.0, 16.0, 32.0, 60.0)
_READ_SECONDS = 300  # a long answer takes minutes, and giving up on it does not save its price
_LOST = "lost"
_MODEL_ERROR = "model_error"
# Stops after which fewer pairs may succeed where so many did not.
UNFINISHED = frozenset(
    {"max_tokens", "malformed_tool_use", "malformed_model_output", _LOST, _MODEL_ERROR}
)


@dataclass(frozen=True)
class Answer:
    """What came back; `tool_input` is None if the tool was not called."""

    stop: str
    tool_input: Any
    input_tokens: int
    output_tokens: int


def runtime_client(region: str) -> Any:  # noqa: ANN401  # boto3 has no type for it
    """Return a client that never repeats a request by itself: each may have been paid for."""
    config = Config(
        retries={"mode": "standard", "total_max_attempts": 1},
        connect_timeout=10,
        read_timeout=_READ_SECONDS,
    )
    return boto3.client("bedrock-runtime", region_name=region, config=config)


@dataclass(frozen=True)
class Writer:
    """Asks; `note` is told of waits."""

    bedrock: Any
    note: Callable[[str], None]
    sleep: Callable[[float], None] = field(default_factory=lambda: time.sleep)

    def ask(self, request: dict[str, Any], estimated_input_tokens: int) -> Answer:
        """Return the model's answer.

        An answer that was lost on the way may have been paid for: it counts as if it had been,
        with all the output that it could have had.

        Raises
        ------
        Throttled, ServiceUnavailable
            Even after waiting.
        AccessDenied, RequestRefused
            At once.
        """
        for pause_seconds in BACKOFF_SECONDS:
            try:
                return self._ask_once(request, estimated_input_tokens)
            except (Throttled, ServiceUnavailable) as error:
                self.note(f"{error}\nTrying again in {pause_seconds:.0f} s.")
                self.sleep(pause_seconds)
        return self._ask_once(request, estimated_input_tokens)

    def _ask_once(self, request: dict[str, Any], estimated_input_tokens: int) -> Answer:
        most = request["inferenceConfig"]["maxTokens"]
        try:
            with translated(f"ask {request['modelId']}"):
                return _answer(self.bedrock.converse(**request))
        except (ServiceUnavailable, ClientError, BotoCoreError) as error:
            stop = _paid_stop(error.__cause__ or error)
            if stop:
                self.note(f"{error}\nCounted as paid.")
                return Answer(stop, None, estimated_input_tokens, most)
            if isinstance(error, ServiceUnavailable):
                raise
            raise RequestRefused(f"could not ask {request['modelId']}: {error}") from error


def _paid_stop(error: BaseException) -> str | None:
    """Name the stop of an answer that was begun but did not arrive."""
    if isinstance(error, ReadTimeoutError | ConnectionClosedError):
        return _LOST
    code = code_of(error) if isinstance(error, ClientError) else ""
    return {"ModelTimeoutException": _LOST, "ModelErrorException": _MODEL_ERROR}.get(code)


def _answer(response: dict[str, Any]) -> Answer:
    content = response["output"]["message"]["content"]
    calls = (block["toolUse"]["input"] for block in content if "toolUse" in block)
    usage = response["usage"]
    return Answer(
        response["stopReason"], next(calls, None), usage["inputTokens"], usage["outputTokens"]
    )
