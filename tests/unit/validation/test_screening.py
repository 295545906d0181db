"""Screening for personal data: what Comprehend is sent, what is reported, and what is billed."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable

import pytest
from hypothesis import given as given_any
from hypothesis import settings
from hypothesis import strategies as st

from lambdas.aws.comprehend import Comprehend
from lambdas.domain.errors import AccessDenied, ServiceUnavailable, Throttled
from lambdas.validation import screening
from lambdas.validation.formats.conversation import Conversation, Turn
from lambdas.validation.screening import (
    DetectPii,
    LanguageCode,
    PiiCheck,
    PiiEntity,
    Screening,
    billed_units,
    screen_in_batches,
)
from tests.unit.aws.test_comprehend import FakeComprehend


def in_batches(
    given: list[tuple[int, Conversation]],
    detect: DetectPii,
    journal: Journal | None,
) -> Screening:
    pii = PiiCheck(detect, 1, 1, say=lambda _: None, journal=journal)
    return screen_in_batches("training", given, pii)


def records(*texts: str) -> list[tuple[int, Conversation]]:
    return [
        (line, Conversation(None, (Turn("user", text), Turn("assistant", "Fine."))))
        for line, text in enumerate(texts, start=1)
    ]


def screening_of(fake: FakeComprehend, given: list[tuple[int, Conversation]]) -> Screening:
    return in_batches(given, Comprehend(fake).detect_pii, None)


def test_names_and_addresses_are_found_by_line_and_field_and_not_shown() -> None:
    fake = FakeComprehend(Okonkwo=("NAME", 0.99), Elm=("ADDRESS", 0.98), Monday=("DATE_TIME", 1.0))
    given = records("Nothing here.", "Ms Okonkwo of 4 Elm Street, on Monday.")
    screening = screening_of(fake, given)
    [problem] = screening.problems
    assert (problem.line, problem.field, problem.code) == (
        2,
        "messages[0].content",
        "personal-data",
    )
    assert problem.message == "Amazon Comprehend finds an address, a name"
    assert problem.severity == "warning"
    assert screening.records == 2


@pytest.mark.parametrize(
    "text",
    [
        "Maria Rossi and Jean-Luc Moreau met Pedro Almeida in Porto.",
        "two police killed in an attack near the border",
        '{"nome": "Rossi", "via": "la Marzocco 4"}',
        "He reads 10/5=2 hours per day",
    ],
)
def test_english_of_every_kind_is_sent(text: str) -> None:
    [(_, conversation)] = records(text)
    assert billed_units(conversation) > 0
    fake = FakeComprehend()
    assert screening_of(fake, records(text)).records == 1
    assert {each["LanguageCode"] for each in fake.called("DetectPiiEntities")} == {"en"}


def test_a_low_score_is_ignored() -> None:
    fake = FakeComprehend(Nova=("NAME", 0.8))
    assert screening_of(fake, records("Ask Nova.")).problems == ()


def test_a_long_text_is_sent_in_parts_that_the_service_takes() -> None:
    fake = FakeComprehend()
    text = "Is the café open today, and the other one, too? " * 10 + "é" * 120_000
    screening_of(fake, records(text))
    sent = [each["Text"] for each in fake.called("DetectPiiEntities")]
    assert "".join(sent[:-1]) == text
    assert sent[-1] == "Fine."


def test_blank_texts_and_lone_surrogates_are_no_trouble() -> None:
    fake = FakeComprehend()
    screening_of(fake, records(" ", "half \ud800 a pair"))
    assert [each["Text"] for each in fake.called("DetectPiiEntities")] == [
        "Fine.",
        "half ? a pair",
        "Fine.",
    ]


@pytest.mark.parametrize(("code", "most"), [("InternalServerException", 6), ("Throttling", 0)])
def test_what_a_busy_service_leaves_is_named_and_may_be_billed(code: str, most: int) -> None:
    fake = FakeComprehend(Okonkwo=("NAME", 0.99))
    fake.fail("DetectPiiEntities", *[code] * 9)
    screening = screening_of(fake, records("Ms Okonkwo.", "Hello."))
    assert (screening.records, screening.problems) == (0, ())
    assert screening.left == ((1, 0), (1, 1), (2, 0), (2, 1))
    assert min(most, 3) <= screening.units <= most


def test_without_a_journal_what_a_busy_service_leaves_is_not_screened() -> None:
    fake = FakeComprehend()
    fake.fail("DetectPiiEntities", *["ThrottlingException"] * 9)
    detect = Comprehend(fake).detect_pii
    found = in_batches(records(*["Hello."] * 150), detect, None)
    assert found.records < 100
    assert len(fake.calls) < 200


def test_whoever_calls_a_busy_service_again_asks_about_no_turn_twice() -> None:
    fake, journal = FakeComprehend(Okonkwo=("NAME", 0.99)), Journal()
    given = records(*[f"Ms Okonkwo {n}." for n in range(150)])
    detect = refusing(Comprehend(fake).detect_pii, every=70)
    for _ in range(4):  # 300 requests, each 70th of which is refused
        with pytest.raises(Throttled, match=r"Nothing was trained.*comprehend_max_usd = 0"):
            in_batches(given, detect, journal)
    found = in_batches(given, detect, journal)
    assert (found.records, found.units, found.left) == (150, 150 * 6, ())
    assert sorted(each.line or 0 for each in found.problems) == [line for line, _ in given]
    asked = [each["Text"] for each in fake.called("DetectPiiEntities")]
    assert len(asked) == 2 * 150
    assert len({text for text in asked if "Okonkwo" in text}) == 150


def refusing(detect: DetectPii, every: int) -> DetectPii:
    """Throttle each call of a number."""
    calls = itertools.count(1)

    def sometimes(text: str, language: LanguageCode) -> Iterable[PiiEntity]:
        if next(calls) % every == 0:
            raise Throttled("slow down")
        return detect(text, language)

    return sometimes


class Journal(dict[str, Screening]):
    """Batches by name; `dies_in` is the call that its function does not survive."""

    dies_in = 0

    def kept(self, batch: str) -> Screening | None:
        return self.get(batch)

    def begin(self, batch: str, screening: Screening) -> bool:
        if batch in self:
            return False
        self.keep(batch, screening, moved=False)
        return True

    def keep(self, batch: str, screening: Screening, *, moved: bool) -> None:
        del moved
        self.dies_in -= 1
        if self.dies_in == 0:
            raise KeyboardInterrupt
        self[batch] = screening


@pytest.mark.slow
@pytest.mark.parametrize(("dies_in", "screened"), [(2, 50), (3, 150), (4, 100)])
def test_a_function_that_dies_pays_for_no_record_twice(dies_in: int, screened: int) -> None:
    fake, journal = FakeComprehend(Okonkwo=("NAME", 0.99)), Journal()
    given = records(*["Ms Okonkwo."] * 150)
    journal.dies_in = dies_in
    with pytest.raises(KeyboardInterrupt):
        in_batches(given, Comprehend(fake).detect_pii, journal)
    found = in_batches(given, Comprehend(fake).detect_pii, journal)
    assert len(fake.called("DetectPiiEntities")) <= 2 * 150
    assert found.units == 150 * 6, "paid for, whether it was answered or not"
    assert found.records == screened


class Late(Journal):
    """Looks at a batch for the first time just before another call begins it."""

    looks = 0

    def kept(self, batch: str) -> Screening | None:
        self.looks += 1
        return None if self.looks == 1 else super().kept(batch)


def test_two_calls_that_begin_a_batch_at_once_pay_for_it_once() -> None:
    fake, journal = FakeComprehend(Okonkwo=("NAME", 0.99)), Late()
    given = records(*["Ms Okonkwo."] * 20)
    in_batches(given, Comprehend(fake).detect_pii, journal)
    [paid] = journal.values()
    asked, journal.looks = len(fake.calls), 0
    found = in_batches(given, Comprehend(fake).detect_pii, journal)
    assert (found, len(fake.calls)) == (paid, asked)
    assert [*journal.values()] == [paid]


class Killed(BaseException):
    """The function ends here, and nothing of it runs any more."""


class World(Journal):
    """A service and a journal; each request and each write has the next fate of its list."""

    def __init__(self, requests: list[str], writes: list[str]) -> None:
        super().__init__()
        self.requests, self.writes = requests, writes
        self.paid: Counter[str] = Counter()
        self.unanswered: Counter[str] = Counter()

    def keep(self, batch: str, screening: Screening, *, moved: bool) -> None:
        fate = self.writes.pop() if self.writes else "kept"
        if fate == "killed before":
            raise Killed
        super().keep(batch, screening, moved=moved)
        if fate == "killed after":
            raise Killed

    def detect(self, text: str, _language: LanguageCode) -> list[PiiEntity]:
        fate = self.requests.pop() if self.requests else "answered"
        if fate == "throttled":
            raise Throttled("slow down")
        self.paid[text] += 1
        if fate == "killed":
            raise Killed
        if fate == "lost":
            self.unanswered[text] += 1
            raise ServiceUnavailable("no answer")
        return [PiiEntity("NAME", 1.0)]

    def screened(self, given: list[tuple[int, Conversation]]) -> Screening:
        """Call until one call ends well."""
        while True:
            try:
                return in_batches(given, self.detect, self)
            except (Killed, Throttled, ServiceUnavailable):
                continue


@settings(max_examples=300, deadline=None)
@given_any(
    sizes=st.lists(st.integers(1, 12), min_size=1, max_size=9),
    requests=st.lists(st.sampled_from(["answered", "throttled", "lost", "killed"]), max_size=30),
    writes=st.lists(st.sampled_from(["kept", "killed before", "killed after"]), max_size=8),
)
def test_whatever_happens_nothing_is_paid_for_twice_that_had_an_answer(
    sizes: list[int], requests: list[str], writes: list[str]
) -> None:
    """Nor what a killed call had asked about; of more than four pieces a text has parts."""
    given = records(*("".join(f"{n:04}-{at:04} " for at in range(m)) for n, m in enumerate(sizes)))
    given = [
        (line, Conversation(None, (said.turns[0], Turn("assistant", f"{line:04}!"))))
        for line, said in given
    ]
    is_killed = "killed" in requests or any("killed" in each for each in writes)
    world = World([*requests], [*writes])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(screening, "_MOST_BYTES", 40)
        patch.setattr(screening, "_BATCH_RECORDS", 3)
        found = world.screened(given)
        planned = sum(billed_units(record) for _, record in given)
    assert all(world.paid[text] <= 1 + world.unanswered[text] for text in world.paid)
    lost = 3 * world.unanswered.total()
    assert 3 * world.paid.total() <= found.units <= planned + lost
    assert found.records <= len({each.line for each in found.problems})
    assert is_killed or found.records == len(given)


def test_a_batch_that_was_cut_short_does_not_end_the_rest() -> None:
    fake, journal = FakeComprehend(), Journal({"training-1": Screening((), 0, 600)})
    given = records(*["Hello."] * 150)
    found = in_batches(given, Comprehend(fake).detect_pii, journal)
    assert (found.records, found.units) == (50, 900)


def test_a_denial_is_raised() -> None:
    fake = FakeComprehend()
    fake.fail("DetectPiiEntities", "AccessDeniedException")
    with pytest.raises(AccessDenied, match="detect personal data"):
        screening_of(fake, records("Hello."))


def test_fields_have_the_names_of_the_file_and_spanish_is_recognised() -> None:
    fake = FakeComprehend(Okonkwo=("NAME", 0.99))
    said = "La señora Okonkwo vive en una casa de la calle que no es como las otras."
    turns = Turn("user", said), Turn("assistant", "Bien.")
    screening = screening_of(fake, [(1, Conversation(None, turns, ("prompt", "completion")))])
    [problem] = screening.problems
    assert problem.field == "prompt"
    assert {each["LanguageCode"] for each in fake.called("DetectPiiEntities")} == {"es"}


def test_units_are_those_of_the_price_list() -> None:
    [(_, short)] = records("Hello.")
    [(_, long)] = records("x" * 1050)
    japanese = Conversation(
        None, (Turn("user", "これは何ですか。基盤モデルについて教えてください。"),)
    )
    assert billed_units(short) == 3 + 3
    assert billed_units(long) == 11 + 3
    assert billed_units(japanese) == 0
