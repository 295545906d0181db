"""The offline Amazon Comprehend: what it answers, what it refuses."""

from __future__ import annotations

from typing import Any

import pytest

from local.bedrock import ServiceError
from local.services import comprehend


def detect(**request: Any) -> dict[str, Any]:
    return comprehend("DetectPiiEntities", request)


def test_names_and_addresses_are_where_they_stand() -> None:
    text = "Ask Ms Ada Okonkwo of 14 Elm Tree Road about Amazon Bedrock."
    answer = detect(Text=text, LanguageCode="en")
    found = {
        each["Type"]: text[each["BeginOffset"] : each["EndOffset"]] for each in answer["Entities"]
    }
    assert found == {"NAME": "Ada Okonkwo", "ADDRESS": "14 Elm Tree Road"}
    assert detect(Text="What does a model unit cost?", LanguageCode="en") == {"Entities": []}


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ({"Text": "", "LanguageCode": "en"}, "InvalidRequestException"),
        ({"Text": "これは", "LanguageCode": "ja"}, "UnsupportedLanguageException"),
        ({"Text": "é" * 50_001, "LanguageCode": "en"}, "TextSizeLimitExceededException"),
    ],
)
def test_what_the_service_refuses(request_: dict[str, str], code: str) -> None:
    with pytest.raises(ServiceError) as refused:
        detect(**request_)
    assert refused.value.code == code
