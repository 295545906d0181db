"""Amazon Comprehend: the request, its answer and its errors."""

from __future__ import annotations

from typing import Any

import pytest

from lambdas.aws.comprehend import Comprehend
from lambdas.domain.errors import AccessDenied, ServiceUnavailable
from tests.fakes.bedrock import FakeClient


class FakeComprehend(FakeClient):
    """Finds the names that a test gives, and refuses what the service refuses."""

    def __init__(self, **entities: tuple[str, float]) -> None:
        super().__init__()
        self.entities = entities

    def detect_pii_entities(self, **request: Any) -> dict[str, Any]:
        self._enter("DetectPiiEntities", request)
        assert 0 < len(request["Text"].encode()) <= 100_000
        assert request["LanguageCode"] in {"en", "es"}
        return {
            "Entities": [
                {"Type": kind, "Score": score, "BeginOffset": 0, "EndOffset": len(word)}
                for word, (kind, score) in self.entities.items()
                if word in request["Text"]
            ]
        }


def test_entities_have_their_type_and_score() -> None:
    fake = FakeComprehend(Okonkwo=("NAME", 0.99), Elm=("ADDRESS", 0.5))
    assert Comprehend(fake).detect_pii("Ms Okonkwo of 4 Elm Street", "en") == [
        ("NAME", 0.99),
        ("ADDRESS", 0.5),
    ]
    assert fake.called("DetectPiiEntities")[0]["LanguageCode"] == "en"


@pytest.mark.parametrize(
    ("code", "error"),
    [("AccessDeniedException", AccessDenied), ("InternalServerException", ServiceUnavailable)],
)
def test_errors_have_their_names(code: str, error: type[Exception]) -> None:
    fake = FakeComprehend()
    fake.fail("DetectPiiEntities", code)
    with pytest.raises(error, match="detect personal data"):
        Comprehend(fake).detect_pii("Hello.", "en")
