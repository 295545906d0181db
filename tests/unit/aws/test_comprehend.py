"""Amazon Comprehend as an option: what it is sent, what is made of its answer, what it may cost."""

from __future__ import annotations

from typing import Any

import pytest

from lambdas.aws.comprehend import Comprehend, units_of
from lambdas.domain.errors import AccessDenied
from lambdas.validation.formats.conversation import Conversation, Turn
from tests.fakes.bedrock import Failing


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
    screening = Comprehend(fake).screen(given)
    [(line, problem)] = screening.problems
    assert (line, problem.field, problem.code) == (2, "messages[0].content", "personal-data")
    assert problem.message == "Amazon Comprehend finds an address, a name"
    assert problem.severity == "warning"
    assert (screening.records, screening.of_records) == (2, 2)


def test_an_unsure_answer_is_passed_over() -> None:
    fake = FakeComprehend(Nova=("NAME", 0.8))
    assert Comprehend(fake).screen(records("Ask Nova.")).problems == ()


def test_a_long_text_is_sent_in_parts_that_the_service_takes() -> None:
    fake = FakeComprehend()
    Comprehend(fake).screen(records("é" * 120_000))
    sent = [each["Text"] for each in fake.called("DetectPiiEntities")]
    assert "".join(sent[:-1]) == "é" * 120_000
    assert sent[-1] == "Fine."


def test_blank_texts_and_lone_surrogates_are_no_trouble() -> None:
    fake = FakeComprehend()
    Comprehend(fake).screen(records(" ", "half \ud800 a pair"))
    assert [each["Text"] for each in fake.called("DetectPiiEntities")] == [
        "Fine.",
        "half ? a pair",
        "Fine.",
    ]


def test_what_a_busy_service_leaves_is_not_asked_for_again() -> None:
    fake = FakeComprehend(Okonkwo=("NAME", 0.99))
    fake.fail("DetectPiiEntities", *["InternalServerException"] * 9)
    screening = Comprehend(fake).screen(records("Ms Okonkwo.", "Hello."))
    assert (screening.records, screening.of_records, screening.cost_usd) == (0, 2, 0)
    assert not screening.problems


def test_a_denial_is_raised() -> None:
    fake = FakeComprehend()
    fake.fail("DetectPiiEntities", "AccessDeniedException")
    with pytest.raises(AccessDenied, match="detect personal data"):
        Comprehend(fake).screen(records("Hello."))


def test_fields_have_their_own_names_and_languages_are_told() -> None:
    fake = FakeComprehend(Okonkwo=("NAME", 0.99))
    said = "La señora Okonkwo vive en una casa de la calle que no es como las otras."
    given = [(1, Conversation(None, (Turn("user", said), Turn("assistant", "Bien."))))]
    [(_, problem)] = Comprehend(fake).screen(given, ("prompt", "completion").__getitem__).problems
    assert problem.field == "prompt"
    assert {each["LanguageCode"] for each in fake.called("DetectPiiEntities")} == {"es"}


def test_units_are_those_of_the_price_list() -> None:
    [(_, short)] = records("Hello.")
    [(_, long)] = records("x" * 1050)
    japanese = Conversation(
        None, (Turn("user", "これは何ですか。基盤モデルについて教えてください。"),)
    )
    assert units_of(short) == 3 + 3
    assert units_of(long) == 11 + 3
    assert units_of(japanese) == 0
