"""CountTokens as an option: the request it makes, and the refusal that it names."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from lambdas.aws.token_counts import CountingUnsupported, count_tokens
from lambdas.domain.errors import RequestRefused
from lambdas.validation.formats.conversation import Conversation, Turn

MODEL = "anthropic.claude-haiku-4-5-20251001-v1:0"
ASKED = Conversation("Be brief.", (Turn("user", "Hello?"), Turn("assistant", "Hello. ")))


def stubbed() -> tuple[Any, Stubber]:
    client = boto3.client("bedrock-runtime", region_name="us-west-2")
    return client, Stubber(client)


def test_the_whole_conversation_is_counted() -> None:
    client, stub = stubbed()
    request = {
        "modelId": MODEL,
        "input": {
            "converse": {
                "messages": [
                    {"role": "user", "content": [{"text": "Hello?"}]},
                    {"role": "assistant", "content": [{"text": "Hello."}]},
                ],
                "system": [{"text": "Be brief."}],
            }
        },
    }
    stub.add_response("count_tokens", {"inputTokens": 17}, request)
    with stub:
        assert count_tokens(client, MODEL, ASKED) == 17


def test_a_model_that_is_not_counted_has_an_error_of_its_own() -> None:
    client, stub = stubbed()
    message = "The provided model doesn't support counting tokens."
    stub.add_client_error("count_tokens", "ValidationException", message)
    with stub, pytest.raises(CountingUnsupported, match="Use the estimate instead"):
        count_tokens(client, "amazon.nova-micro-v1:0", ASKED)


def test_another_refusal_stays_what_it_is() -> None:
    client, stub = stubbed()
    stub.add_client_error("count_tokens", "ValidationException", "messages.0: text is blank")
    with stub, pytest.raises(RequestRefused) as caught:
        count_tokens(client, MODEL, ASKED)
    assert not isinstance(caught.value, CountingUnsupported)
