"""Amazon Comprehend as an option: what it is sent, what is made of its answer, what it may cost."""

from __future__ import annotations

from typing import Any

import pytest

from lambdas.aws.comprehend import USD_PER_UNIT, Comprehend
from lambdas.domain.errors import ServiceUnavailable
from lambdas.domain.validation.conversation import Conversation, Turn
from tests.unit.fakes_bedrock import Failing


class FakeComprehend(Failing):
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


def records(*texts: str) -> list[tuple[int, Conversation]]:
    return [
        (line, Conversation(None, (Turn("user", text), Turn("assistant", "Fine."))))
        for line, text in enumerate(texts, start=1)
    ]


def test_names_and_addresses_are_told_by_line_and_field_and_not_shown() -> None:
    fake = FakeComprehend(Okonkwo=("NAME", 0.99), Elm=("ADDRESS", 0.98), Monday=("DATE_TIME", 1.0))
    given = records("Nothing here.", "Ms Okonkwo of 4 Elm Street, on Monday.")
    screening = Comprehend(fake).screen(given, max_cost_usd=1)
    [(line, problem)] = screening.problems
    assert (line, problem.field, problem.code) == (2, "messages[0].content", "personal-data")
    assert problem.message == "Amazon Comprehend finds an address, a name"
    assert problem.severity == "warning"
    assert (screening.records, screening.of_records) == (2, 2)


def test_an_unsure_answer_is_passed_over() -> None:
    fake = FakeComprehend(Nova=("NAME", 0.8))
    assert Comprehend(fake).screen(records("Ask Nova."), max_cost_usd=1).problems == ()


def test_the_ceiling_is_kept_by_looking_at_evenly_spaced_records() -> None:
    fake = FakeComprehend()
    given = records(*(f"Question {at:03}" for at in range(100)))
    ceiling = 25 * 6 * USD_PER_UNIT  # two texts of three units each, of 25 records
    screening = Comprehend(fake).screen(given, max_cost_usd=ceiling)
    assert screening.records == 25
    assert screening.cost_usd <= ceiling
    sent = [each["Text"] for each in fake.called("DetectPiiEntities")]
    assert sent[0::2] == [f"Question {at:03}" for at in range(3, 100, 4)]


def test_without_money_nothing_is_sent() -> None:
    fake = FakeComprehend()
    assert Comprehend(fake).screen(records("Hello."), max_cost_usd=0).records == 0
    assert fake.calls == []


def test_a_long_text_is_sent_in_parts_that_the_service_takes() -> None:
    fake = FakeComprehend()
    Comprehend(fake).screen(records("é" * 120_000), max_cost_usd=10)
    sent = [each["Text"] for each in fake.called("DetectPiiEntities")]
    assert "".join(sent[:-1]) == "é" * 120_000
    assert sent[-1] == "Fine."


def test_blank_texts_and_lone_surrogates_are_no_trouble() -> None:
    fake = FakeComprehend()
    Comprehend(fake).screen(records(" ", "half \ud800 a pair"), max_cost_usd=1)
    assert [each["Text"] for each in fake.called("DetectPiiEntities")] == [
        "Fine.",
        "half ? a pair",
        "Fine.",
    ]


def test_the_services_errors_have_our_names() -> None:
    fake = FakeComprehend()
    fake.fail("DetectPiiEntities", "InternalServerException")
    with pytest.raises(ServiceUnavailable, match="detect personal data"):
        Comprehend(fake).screen(records("Hello."), max_cost_usd=1)
