"""Converse: questions and forced tools, with patience for throttling."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError, HTTPClientError

from lambdas.aws.clients import client, code_of, translated
from lambdas.domain.errors import (
    AnswerLost,
    OutOfTime,
    RequestRefused,
    ServiceUnavailable,
    Throttled,
)
from lambdas.domain.evaluation.answers import Reply
from lambdas.domain.evaluation.rubrics import MAX_TOKENS, Tool, ToolCall
from lambdas.domain.parallel import CONCURRENCY
from lambdas.validation.formats.conversation import Turn

# Converse answers when the whole text is there. An assumption, since nobody promises a speed: no
# model that the catalogue has writes slower than this, however busy it is.
_SLOWEST_TOKENS_PER_SECOND = 10
_PROMPT_SECONDS = 60  # before the first token, and botocore's own time-out
_SAVING_SECONDS = 30  # between the last answer and the end of the function
# Instead of the SDK's own retries. Quotas are per minute: so much waiting outlasts one that is
# used up; the last pause is repeated where throttling is waited for to the function's end.
BACKOFF_SECONDS = (2.0, 4.0, 8.0, 16.0, 32.0)
# For all questions together what eight threads can wait in five minutes: for a service that is
# down, or that throttles whoever has no end.
PATIENCE_SECONDS = CONCURRENCY * 300.0


def read_seconds(max_tokens: int) -> float:
    """Return how long to wait for an answer of so many tokens."""
    return _PROMPT_SECONDS + max_tokens / _SLOWEST_TOKENS_PER_SECOND


@dataclass
class Patience:
    """Seconds of waiting that are left to all threads of one function together."""

    seconds: float = PATIENCE_SECONDS
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def spend(self, seconds: float) -> bool:
        """Take the seconds, or return False if fewer are left."""
        with self._lock:
            if seconds > self.seconds:
                return False
            self.seconds -= seconds
            return True


@dataclass(frozen=True)
class ConverseClient:
    """Models by the id that Converse takes: foundation model, profile, or throughput ARN.

    Methods raise Throttled or ServiceUnavailable once the backoff is used up or the error may not
    be retried, OutOfTime where the next try would outlive the function, and RequestRefused,
    AccessDenied and AnswerLost at once. What lives for a limited time waits for throttling to its
    end, so that a low limit finishes in the passes it takes. `note` is told of each wait.
    """

    bedrock: Any
    patience: Patience = field(default_factory=Patience)
    may_retry: Callable[[Exception], bool] = lambda _: True
    note: Callable[[str], None] = lambda _: None
    seconds_left: Callable[[], float] = lambda: math.inf
    seconds_needed: float = 0  # by one request, and by keeping what came of it

    @classmethod
    def within(cls, seconds_left: Callable[[], float], *, max_tokens: int) -> ConverseClient:
        """Return the client of a function that lives so long and asks for so many tokens."""
        seconds = read_seconds(max_tokens)
        return cls(
            client("bedrock-runtime", seconds),
            seconds_left=seconds_left,
            seconds_needed=seconds + _SAVING_SECONDS,
        )

    def may_begin(self) -> bool:
        """Whether the function will see the end of a request that it begins now."""
        return self.seconds_left() >= self.seconds_needed

    def ask(
        self, model_id: str, turns: Sequence[Turn], *, system: str | None, max_tokens: int
    ) -> Reply:
        """Return the model's answer to the last of the turns, at temperature 0."""
        response = self._converse(_request(model_id, turns, system, max_tokens))
        text = "".join(block.get("text", "") for block in _content(response))
        latency_ms = response.get("metrics", {}).get("latencyMs")
        return Reply(text, response["stopReason"], *_tokens(response), latency_ms)

    def judge(self, model_id: str, tool: Tool, message: str) -> ToolCall:
        """Return what the judge gives to the tool."""
        spec = {"name": tool.tool_name, "inputSchema": {"json": tool.tool_schema}}
        request = _request(model_id, [Turn("user", message)], tool.system_prompt, MAX_TOKENS)
        return self.call_tool(
            request
            | {
                "toolConfig": {
                    "tools": [{"toolSpec": spec}],
                    "toolChoice": {"tool": {"name": tool.tool_name}},
                }
            }
        )

    def call_tool(self, request: dict[str, Any]) -> ToolCall:
        """Return what the model gives to the one tool that the request makes it call."""
        response = self._converse(request)
        calls = (block["toolUse"]["input"] for block in _content(response) if "toolUse" in block)
        return ToolCall(response["stopReason"], next(calls, None), *_tokens(response))

    def _converse(self, request: dict[str, Any]) -> Any:  # noqa: ANN401  # boto3 has no type for it
        tries = 0
        while True:
            try:
                return self._converse_once(request)
            except AnswerLost:
                raise
            except (Throttled, ServiceUnavailable) as error:
                self._wait(error, tries)
            tries += 1

    def _wait(self, error: Exception, tries: int) -> None:
        """Wait before the next try, or raise where there is to be none."""
        # A limit, however low, lets all through in time: whoever has an end waits up to it.
        to_the_end = isinstance(error, Throttled) and math.isfinite(self.seconds_left())
        used_up = tries >= len(BACKOFF_SECONDS)
        if not self.may_retry(error) or (used_up and not to_the_end):
            raise error
        pause_seconds = BACKOFF_SECONDS[-1 if used_up else tries]
        if not to_the_end and not self.patience.spend(pause_seconds):
            raise error
        if self.seconds_left() < pause_seconds + self.seconds_needed:
            raise OutOfTime(str(error)) from error
        self.note(f"{error}\nTrying again in {pause_seconds:.0f} s.")
        time.sleep(pause_seconds)

    def _converse_once(self, request: dict[str, Any]) -> Any:  # noqa: ANN401  # same
        try:
            with translated(f"ask {request['modelId']}"):
                return self.bedrock.converse(**request)
        except ServiceUnavailable as error:
            if not _may_be_paid(error.__cause__):
                raise
            raise AnswerLost(
                f"no answer of {request['modelId']} arrived, and it may be paid for: {error}"
            ) from error.__cause__
        except ClientError as error:
            raise RequestRefused(f"could not ask {request['modelId']}: {error}") from error


def _may_be_paid(cause: BaseException | None) -> bool:
    """Whether a request reached the model; botocore's ConnectionError says that it did not."""
    if isinstance(cause, ClientError):
        return code_of(cause) == "ModelTimeoutException"
    return isinstance(cause, HTTPClientError)


def _request(
    model_id: str, turns: Sequence[Turn], system: str | None, max_tokens: int
) -> dict[str, Any]:
    request: dict[str, Any] = {
        "modelId": model_id,
        "messages": [{"role": turn.role, "content": [{"text": turn.text}]} for turn in turns],
        # Unset, the model's maximum would count against the token quota.
        "inferenceConfig": {"maxTokens": max_tokens, "temperature": 0.0},
    }
    return request | {"system": [{"text": system}]} if system else request


def _content(response: Mapping[str, Any]) -> list[dict[str, Any]]:
    content: list[dict[str, Any]] = response["output"]["message"]["content"]
    return content


def _tokens(response: Mapping[str, Any]) -> tuple[int, int]:
    usage = response.get("usage", {})
    return usage.get("inputTokens", 0), usage.get("outputTokens", 0)
