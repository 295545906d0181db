"""Bedrock's runtime: questions by Converse, with patience for throttling."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from lambdas.aws.clients import client, translated
from lambdas.domain.errors import RequestRefused, ServiceUnavailable, Throttled
from lambdas.domain.evaluation.answers import Reply
from lambdas.domain.parallel import CONCURRENCY

# On top of the SDK's own retries: at most 31 s for one question, and for all questions together
# what eight threads can wait in five minutes, so that no function is killed while it waits.
BACKOFF_SECONDS = (1.0, 2.0, 4.0, 8.0, 16.0)
PATIENCE_SECONDS = CONCURRENCY * 300.0


@dataclass(frozen=True)
class ToolCall:
    """What a model gave to the tool it was made to call; `input` is None if it did not call."""

    input: object
    input_tokens: int
    output_tokens: int


@dataclass
class Patience:
    """Seconds of waiting that are left to all threads of one function together."""

    seconds: float = PATIENCE_SECONDS
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def spend(self, seconds: float) -> bool:
        """Take the seconds, or say that there are not so many left."""
        with self._lock:
            if seconds > self.seconds:
                return False
            self.seconds -= seconds
            return True


@dataclass(frozen=True)
class Runtime:
    """Models by the id that Converse takes: foundation model, profile, or throughput ARN.

    Methods raise Throttled or ServiceUnavailable once the backoff is used up, and RequestRefused
    and AccessDenied at once.
    """

    bedrock: Any = field(default_factory=lambda: client("bedrock-runtime"))
    sleep: Callable[[float], None] = time.sleep
    patience: Patience = field(default_factory=Patience)

    def ask(self, model_id: str, question: str, *, system: str | None, max_tokens: int) -> Reply:
        """Return the model's answer to one question, at temperature 0."""
        response = self._converse(_request(model_id, question, system, max_tokens))
        text = "".join(block.get("text", "") for block in _content(response))
        return Reply(text, response["stopReason"], *_tokens(response))

    def call_tool(  # noqa: PLR0913  # a tool is a name and a schema
        self,
        model_id: str,
        message: str,
        *,
        system: str,
        max_tokens: int,
        tool_name: str,
        tool_schema: Mapping[str, Any],
    ) -> ToolCall:
        """Return what the model gives to the one tool that it must call."""
        spec = {"name": tool_name, "inputSchema": {"json": tool_schema}}
        request = _request(model_id, message, system, max_tokens) | {
            "toolConfig": {
                "tools": [{"toolSpec": spec}],
                "toolChoice": {"tool": {"name": tool_name}},
            }
        }
        response = self._converse(request)
        calls = (block["toolUse"]["input"] for block in _content(response) if "toolUse" in block)
        return ToolCall(next(calls, None), *_tokens(response))

    def _converse(self, request: dict[str, Any]) -> Any:  # noqa: ANN401  # boto3 has no type for it
        for pause_seconds in BACKOFF_SECONDS:
            try:
                return self._converse_once(request)
            except (Throttled, ServiceUnavailable):
                if not self.patience.spend(pause_seconds):
                    raise
                self.sleep(pause_seconds)
        return self._converse_once(request)

    def _converse_once(self, request: dict[str, Any]) -> Any:  # noqa: ANN401  # same
        try:
            with translated(f"ask {request['modelId']}"):
                return self.bedrock.converse(**request)
        except ClientError as error:
            raise RequestRefused(f"could not ask {request['modelId']}: {error}") from error


def _request(model_id: str, message: str, system: str | None, max_tokens: int) -> dict[str, Any]:
    request: dict[str, Any] = {
        "modelId": model_id,
        "messages": [{"role": "user", "content": [{"text": message}]}],
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
