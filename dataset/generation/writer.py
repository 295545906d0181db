"""The model that writes the pairs, whose lost answers count as paid."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from lambdas.aws.clients import code_of
from lambdas.aws.converse import ConverseClient, Patience
from lambdas.domain.errors import AnswerLost, ServiceUnavailable
from lambdas.domain.evaluation.rubrics import ToolCall

_READ_SECONDS = 300  # a long answer takes minutes, and giving up on it does not save its price
_LOST = "lost"
# Stops after which fewer pairs may succeed where so many did not.
UNFINISHED = frozenset({"max_tokens", "malformed_tool_use", "malformed_model_output", _LOST})


def runtime_client(region: str) -> Any:  # noqa: ANN401  # boto3 has no type for it
    """Return a client that never repeats a request by itself: each may have been paid for."""
    config = Config(
        retries={"mode": "standard", "total_max_attempts": 1},
        connect_timeout=10,
        read_timeout=_READ_SECONDS,
    )
    return boto3.client("bedrock-runtime", region_name=region, config=config)


class Writer:
    """Asks; `note` is told of waits."""

    def __init__(self, bedrock: Any, note: Callable[[str], None]) -> None:  # noqa: ANN401  # same
        self._note = note
        self._client = ConverseClient(
            bedrock, Patience(math.inf), lambda error: not _is_lost(error), note
        )

    def ask(self, request: dict[str, Any], estimated_input_tokens: int) -> ToolCall:
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
        try:
            return self._client.call_tool(request)
        except ServiceUnavailable as error:
            if not _is_lost(error):
                raise
            self._note(f"{error}\nCounted as paid.")
            most = request["inferenceConfig"]["maxTokens"]
            return ToolCall(_LOST, None, estimated_input_tokens, most)


def _is_lost(error: Exception) -> bool:
    """Whether an answer was begun but did not arrive."""
    cause = error.__cause__
    code = code_of(cause) if isinstance(cause, ClientError) else ""
    return isinstance(error, AnswerLost) or code == "ModelErrorException"
