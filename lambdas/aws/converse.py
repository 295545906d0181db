"""Converse: questions and forced tools, with patience for throttling."""

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
from lambdas.domain.evaluation.rubrics import MAX_TOKENS, Rubric, ToolCall
from lambdas.domain.parallel import CONCURRENCY

# On top of the SDK's own retries. Quotas are per minute: so much waiting outlasts one that is used
# up, and a question that hangs at each try ends within a function's 15 minutes.
BACKOFF_SECONDS = (2.0, 4.0, 8.0, 16.0, 32.0)
# For all questions together what eight threads can wait in five minutes, so that no function is
# killed while it waits.
PATIENCE_SECONDS = CONCURRENCY * 300.0


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
    be retried, and RequestRefused and AccessDenied at once. `note` is told of each wait.
    """

    bedrock: Any = field(default_factory=lambda: client("bedrock-runtime"))
    patience: Patience = field(default_factory=Patience)
    may_retry: Callable[[Exception], bool] = lambda _: True
    note: Callable[[str], None] = lambda _: None

    def ask(self, model_id: str, question: str, *, system: str | None, max_tokens: int) -> Reply:
        """Return the model's answer to one question, at temperature 0."""
        response = self._converse(_request(model_id, question, system, max_tokens))
        text = "".join(block.get("text", "") for block in _content(response))
        return Reply(text, response["stopReason"], *_tokens(response))

    def judge(self, model_id: str, rubric: Rubric, message: str) -> ToolCall:
        """Return what the judge gives to the rubric's tool."""
        spec = {"name": rubric.tool_name, "inputSchema": {"json": rubric.tool_schema}}
        request = _request(model_id, message, rubric.system_prompt, MAX_TOKENS)
        return self.call_tool(
            request
            | {
                "toolConfig": {
                    "tools": [{"toolSpec": spec}],
                    "toolChoice": {"tool": {"name": rubric.tool_name}},
                }
            }
        )

    def call_tool(self, request: dict[str, Any]) -> ToolCall:
        """Return what the model gives to the one tool that the request makes it call."""
        response = self._converse(request)
        calls = (block["toolUse"]["input"] for block in _content(response) if "toolUse" in block)
        return ToolCall(response["stopReason"], next(calls, None), *_tokens(response))

    def _converse(self, request: dict[str, Any]) -> Any:  # noqa: ANN401  # boto3 has no type for it
        for pause_seconds in BACKOFF_SECONDS:
            try:
                return self._converse_once(request)
            except (Throttled, ServiceUnavailable) as error:
                if not self.may_retry(error) or not self.patience.spend(pause_seconds):
                    raise
                self.note(f"{error}\nTrying again in {pause_seconds:.0f} s.")
                time.sleep(pause_seconds)
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
