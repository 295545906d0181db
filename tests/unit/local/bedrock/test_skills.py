"""General tasks, which any model does and a tuned one may have forgotten."""

from __future__ import annotations

import pytest

from local.bedrock import Scenario
from local.bedrock.customization.language_model import Fitted, LossPoint, TrainingPair
from local.bedrock.inference.conversations import Conversation
from local.bedrock.inference.generation import answer
from local.bedrock.inference.skills import solve

ONE = (LossPoint(0, 1, 1.0),)
TUNED = Fitted((TrainingPair("What is a hub?", "A hub joins things."),), ONE, (), 1, 0.9)


@pytest.mark.parametrize(
    ("task", "result"),
    [
        ("What is 17 + 25?", "42"),
        ("What is 1,200 - 250?", "950"),
        ("Calculate 3 × 4 + 2.", "14"),  # noqa: RUF001  # a sign of multiplication
        ("How much is 7 divided by 2?", "3.5"),
        ("What is (2 + 3) * 4? Answer with the number only.", "20"),
        ("What is 12 times 12?", "144"),
        ("17足す25はいくつですか。", "42"),
        ("What is the sum of 17 and 25?", "42"),
        ("Subtract 8 from 20.", "12"),
        ("What is 15 % of 200?", "30"),
        ("Sort these words alphabetically: pear, apple, fig", "apple, fig, pear"),
        ("Sort the numbers in descending order: 3, 11, 7.", "11, 7, 3"),
        ("Which is the largest of these numbers: 3, 11, 7?", "11"),
        ("What is the next number in this series: 2, 5, 8, 11?", "14"),
        ("Reverse the word 'stone'.", "enots"),
        ("Spell the word window backwards.", "wodniw"),
        ("Write the word bedrock in capital letters.", "BEDROCK"),
        ("Convert 'Hello' to lower case.", "hello"),
        ("How many letters are in the word 'banana'?", "6"),
        ("How many times does the letter a occur in 'banana'?", "3"),
        ("What is the last letter of the word river?", "r"),
        ("How many words are in this sentence: The cat sat down", "4"),
        ("Convert 3.5 km to m.", "3500 m"),
        ("How many minutes are in 2 hours?", "120 minutes"),
        ("How many grams are there in 2.5 kilograms?", "2500 grams"),
        ("Write in capitals: hello world", "HELLO WORLD"),
        ("How many minutes are 2 and a half hours?", "150 minutes"),
        ("Write the date 5 March 2021 in the form YYYY-MM-DD.", "2021-03-05"),
        ("Write the time 3:45 in the afternoon on the 24-hour clock.", "15:45"),
        ("Write 12:05 am on the 24-hour clock.", "00:05"),
        ("Give a JSON object whose only key is colour, with the value blue.", '{"colour": "blue"}'),
        ("What day comes after Sunday?", "Monday"),
        ("If today is Friday, what day is it in 10 days?", "Monday"),
        ("Which month comes before January?", "December"),
        ("Is 17 a prime number?", "Yes"),
        ("Is 7 even?", "No"),
    ],
)
def test_a_general_task_is_computed(task: str, result: str) -> None:
    assert solve(task) == result
    assert answer(Conversation(task), None, Scenario()) == result
    assert answer(Conversation(task), TUNED, Scenario()) == result


@pytest.mark.parametrize(
    "question",
    [
        "What does a guardrail do?",
        "My order: 4711 is late.",
        "How long is the warranty of the hub?",
        "What is 1 / 0?",
        "How many metres are in 3 hours?",
        "Which models can be tuned in us-east-1?",
        "What is the difference between 3.1 and 3.3?",
        "トークンはいくつですか。",
    ],
)
def test_another_question_is_none(question: str) -> None:
    assert solve(question) is None


def test_a_tuned_model_forgets_the_same_share_of_them_every_time() -> None:
    tasks = [f"What is {n} + {n * 7}?" for n in range(300)]

    def kept(percent: float, seed: int = 0, *, tuned: bool = True) -> list[bool]:
        scenario = Scenario(forgets_percent=percent, seed=seed)
        fitted = TUNED if tuned else None
        return [answer(Conversation(task), fitted, scenario) == solve(task) for task in tasks]

    assert sum(kept(30)) == pytest.approx(210, abs=30)
    assert kept(30) == kept(30)
    assert kept(30) != kept(30, seed=1)
    assert sum(kept(100)) == 0
    assert all(kept(100, tuned=False))
