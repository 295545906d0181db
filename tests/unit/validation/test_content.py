"""What the bundled dataset promises: even coverage, no leaks between files, clean text."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from itertools import combinations, product

import pytest

from tests.repository import DATASET

PAIRS_PER_TOPIC = {"training": 9, "validation": 3, "evaluation": 2}
TOPICS = 12
# Nova's own marks for turns and media: a job fails on a record that holds one.
NOVA_RESERVED = ("user:", "bot:", "assistant:", "system:", "<image>", "<video>", "[eos]")
UNTIDY = re.compile(r"[^\x20-\x7e]|  |^\s|\s$|\s[.,;:?]|[!*`]|\.\.")
# Shares of common words. Above 0.5 two short questions ask the same thing; an evaluation question
# has to be further away, or it would measure memory.
MAX_QUESTION_OVERLAP = 0.6
MAX_QUESTION_OVERLAP_ACROSS_FILES = 0.5
MAX_QUESTION_OVERLAP_WITH_EVALUATION = 0.25
MAX_ANSWER_OVERLAP = 0.5

Entry = dict[str, str]


def _load(name: str) -> list[Entry]:
    entries: list[Entry] = json.loads((DATASET / f"{name}.json").read_text(encoding="utf-8"))
    return entries


FILES = {name: _load(name) for name in PAIRS_PER_TOPIC}
EVERY = [entry for entries in FILES.values() for entry in entries]
QUESTIONS = [entry["question"] for entry in EVERY]


def _answer(entry: Entry) -> str:
    return entry.get("answer") or entry["reference_answer"]


ANSWERS = [_answer(entry) for entry in EVERY]


def _tokens(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"[a-z0-9]+", text.lower()))


def _overlap(first: str, second: str) -> float:
    one, other = _tokens(first), _tokens(second)
    return len(one & other) / len(one | other)


def _sentences(text: str) -> list[str]:
    return re.split(r"(?<=[.?!])\s", text)


def _questions(name: str) -> list[str]:
    return [entry["question"] for entry in FILES[name]]


@pytest.mark.parametrize(("name", "per_topic"), PAIRS_PER_TOPIC.items())
def test_every_topic_has_the_same_number_of_pairs(name: str, per_topic: int) -> None:
    counts = Counter(entry["topic"] for entry in FILES[name])
    assert len(counts) == TOPICS
    assert set(counts.values()) == {per_topic}


def test_all_files_cover_the_same_topics() -> None:
    topics = [{entry["topic"] for entry in entries} for entries in FILES.values()]
    assert topics[0] == topics[1] == topics[2]


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("training", {"question", "answer", "topic"}),
        ("validation", {"question", "answer", "topic"}),
        ("evaluation", {"id", "question", "reference_answer", "topic"}),
    ],
)
def test_entries_have_exactly_the_documented_fields(name: str, fields: set[str]) -> None:
    assert all(set(entry) == fields for entry in FILES[name])


def test_evaluation_ids_are_unique_and_name_their_topic() -> None:
    ids = [entry["id"] for entry in FILES["evaluation"]]
    assert len(set(ids)) == len(ids)
    assert all(
        re.fullmatch(re.escape(entry["topic"]) + r"-\d\d", entry["id"])
        for entry in FILES["evaluation"]
    )


def test_no_question_or_answer_occurs_twice() -> None:
    assert len({question.casefold() for question in QUESTIONS}) == len(QUESTIONS)
    assert len({answer.casefold() for answer in ANSWERS}) == len(ANSWERS)


def test_no_two_questions_are_near_duplicates() -> None:
    alike = [pair for pair in combinations(QUESTIONS, 2) if _overlap(*pair) > MAX_QUESTION_OVERLAP]
    assert alike == []


def test_no_validation_question_resembles_a_training_question() -> None:
    pairs = product(_questions("training"), _questions("validation"))
    assert [pair for pair in pairs if _overlap(*pair) > MAX_QUESTION_OVERLAP_ACROSS_FILES] == []


@pytest.mark.parametrize("other", ["training", "validation"])
def test_evaluation_questions_are_worded_unlike_any_other(other: str) -> None:
    pairs = product(_questions("evaluation"), _questions(other))
    assert [pair for pair in pairs if _overlap(*pair) > MAX_QUESTION_OVERLAP_WITH_EVALUATION] == []


@pytest.mark.slow
def test_no_two_answers_are_near_duplicates() -> None:
    alike = [pair for pair in combinations(ANSWERS, 2) if _overlap(*pair) > MAX_ANSWER_OVERLAP]
    assert alike == []


def test_no_sentence_occurs_in_two_answers() -> None:
    counts = Counter(sentence for answer in ANSWERS for sentence in _sentences(answer))
    assert [sentence for sentence, count in counts.items() if count > 1] == []


def test_answers_have_35_to_90_words() -> None:
    assert [answer for answer in ANSWERS if not 35 <= len(answer.split()) <= 90] == []


def test_answers_have_two_to_four_sentences() -> None:
    assert [answer for answer in ANSWERS if not 2 <= len(_sentences(answer)) <= 4] == []


def test_text_is_plain_ascii_without_stray_spaces_or_markup() -> None:
    assert [text for text in QUESTIONS + ANSWERS if UNTIDY.search(text)] == []


def test_questions_and_answers_are_whole_sentences() -> None:
    assert [each for each in QUESTIONS if not re.fullmatch(r"[A-Z].*\?", each)] == []
    assert [each for each in ANSWERS if not re.fullmatch(r"[A-Z].*\.", each)] == []


def test_no_text_holds_a_word_that_nova_reserves() -> None:
    texts = "\n".join(QUESTIONS + ANSWERS).casefold()
    assert [word for word in NOVA_RESERVED if word in texts] == []


def test_the_readme_counts_what_the_files_hold() -> None:
    readme = (DATASET / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([a-z-]+)` \|.*\| (\d+) \| (\d+) \| (\d+) \|$", readme, re.MULTILINE)
    counts = {name: Counter(entry["topic"] for entry in entries) for name, entries in FILES.items()}
    assert {row[0]: tuple(map(int, row[1:])) for row in rows} == {
        topic: tuple(counts[name][topic] for name in FILES) for topic in counts["training"]
    }


def test_general_questions_have_short_answers_on_anything_but_the_service() -> None:
    asked = _load("general")
    assert len(asked) == len({each["id"] for each in asked}) == 24
    assert len({each["question"] for each in asked}) == 24
    for each in asked:
        assert each["question"].isascii()
        assert each["reference_answer"].isascii()
        assert len(each["reference_answer"]) <= 30
        assert "Bedrock" not in each["question"]


COMPUTED: tuple[tuple[str, Callable[..., object]], ...] = (
    (r"What is (\d+) \+ (\d+)\?", lambda a, b: int(a) + int(b)),
    (r"What is (\d+) times (\d+)\?", lambda a, b: int(a) * int(b)),
    (r"What is (\d+) divided by (\d+)\?", lambda a, b: int(a) // int(b)),
    (r"What is (\d+) - (\d+)\?", lambda a, b: int(a) - int(b)),
    (r"Sort these words alphabetically: (.+)", lambda words: ", ".join(sorted(words.split(", ")))),
    (r"Reverse the word: (\w+)", lambda word: word[::-1]),
    (r"How many letters has the word (\w+)\?", len),
    (r"Write in capitals: (.+)", str.upper),
    (r"How many metres are (\d+) kilometres\?", lambda number: int(number) * 1000),
    (r"How many grams are ([\d.]+) kilograms\?", lambda number: round(float(number) * 1000)),
)


def test_what_can_be_computed_of_the_general_questions_is_right() -> None:
    asked = _load("general")
    right = {
        each["id"]: str(compute(*found.groups())) == each["reference_answer"]
        for each in asked
        for pattern, compute in COMPUTED
        if (found := re.fullmatch(pattern, each["question"]))
    }
    assert len(right) >= 11
    assert all(right.values()), right
