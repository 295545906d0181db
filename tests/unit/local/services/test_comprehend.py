"""The offline Amazon Comprehend and Bedrock's CountTokens: what they answer, what they refuse."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.services import comprehend
from tests.fakes.offline_bedrock import Account


def detect(**request: Any) -> tuple[int, dict[str, Any]]:
    status, _, body = comprehend.answer("DetectPiiEntities", json.dumps(request).encode())
    return status, json.loads(body)


def test_names_and_addresses_are_where_they_stand() -> None:
    text = "Ask Ms Ada Okonkwo of 14 Elm Tree Road about Amazon Bedrock."
    status, answer = detect(Text=text, LanguageCode="en")
    found = {
        each["Type"]: text[each["BeginOffset"] : each["EndOffset"]] for each in answer["Entities"]
    }
    assert status == 200
    assert found == {"NAME": "Ada Okonkwo", "ADDRESS": "14 Elm Tree Road"}
    assert detect(Text="What does a model unit cost?", LanguageCode="en")[1] == {"Entities": []}


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ({"Text": "", "LanguageCode": "en"}, "InvalidRequestException"),
        ({"Text": "これは", "LanguageCode": "ja"}, "UnsupportedLanguageException"),
        ({"Text": "é" * 50_001, "LanguageCode": "en"}, "TextSizeLimitExceededException"),
    ],
)
def test_what_the_service_refuses(request_: dict[str, str], code: str) -> None:
    status, answer = detect(**request_)
    assert (status, answer["__type"]) == (400, code)


def counted(model_id: str) -> int:
    message = {"role": "user", "content": [{"text": "How many tokens are these words?"}]}
    given = {"converse": {"messages": [message]}}
    answer = Account().runtime.count_tokens(modelId=model_id, input=given)
    tokens: int = answer["inputTokens"]
    return tokens


def test_tokens_are_counted_for_models_that_bedrock_counts() -> None:
    assert 5 <= counted("anthropic.claude-haiku-4-5-20251001-v1:0") <= 15


@pytest.mark.parametrize(
    ("model_id", "says"),
    [
        ("amazon.nova-micro-v1:0", "doesn't support counting tokens"),
        ("anthropic.claude-3-haiku-20240307-v1:0", "doesn't support counting tokens"),
        ("us.anthropic.claude-haiku-4-5-20251001-v1:0", "doesn't support counting tokens"),
        ("nobody.knows-v1:0", "identifier is invalid"),
    ],
)
def test_tokens_of_other_models_are_refused(model_id: str, says: str) -> None:
    with pytest.raises(ClientError, match=says):
        counted(model_id)
