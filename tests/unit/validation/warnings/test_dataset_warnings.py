"""Warnings: what one record shows, and what only all of them together show."""

from __future__ import annotations

import json
import pickle
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.domain.models.model import Model
from lambdas.validation.formats.conversation import Conversation, FileKind, Turn, make_record
from lambdas.validation.formats.records import read_record
from lambdas.validation.jsonl.codes import CODES
from lambdas.validation.jsonl.findings import Finding, Findings
from lambdas.validation.warnings.dataset_warnings import (
    Sketch,
    dataset_warnings,
    sketches_of,
)
from lambdas.validation.warnings.endings import ending_of
from lambdas.validation.warnings.record_warnings import record_warnings
from tests.article import ARTICLE, needs_article
from tests.models import CLAUDE_3_HAIKU, LLAMA_3_1_8B, NOVA_MICRO
from tests.repository import DATASET

ANSWERS = [each["answer"] for each in json.loads((DATASET / "training.json").read_text())]
QUESTIONS = [each["question"] for each in json.loads((DATASET / "training.json").read_text())]

Pairs = Sequence[tuple[str, str]]


def conversation(prompt: str, answer: str, system: str | None = None) -> Conversation:
    return Conversation(system, (Turn("user", prompt), Turn("assistant", answer)))


def sketches(pairs: Pairs) -> list[tuple[int, Sketch]]:
    return [*enumerate(sketches_of([conversation(*pair) for pair in pairs]), start=1)]


def usual(count: int = 40) -> list[tuple[str, str]]:
    return list(zip(QUESTIONS[:count], ANSWERS[:count], strict=True))


def warned(training: Pairs, validation: Pairs = (), evaluation: Pairs = ()) -> list[Finding]:
    files = {"training": training, "validation": validation, "evaluation": evaluation}
    made = {name: sketches(pairs) for name, pairs in files.items() if pairs}
    return list(dataset_warnings(made, "evaluation"))


def found(findings: Sequence[Finding], code: str) -> list[tuple[str, int | None]]:
    return [(each.file, each.line) for each in findings if each.code == code]


def codes(*texts: str) -> list[tuple[str, str]]:
    turns = tuple(Turn("user" if at % 2 == 0 else "assistant", t) for at, t in enumerate(texts))
    return [(each.field, each.code) for each in record_warnings(Conversation(None, turns))]


def test_a_secret_is_named_with_its_field_and_hidden() -> None:
    key = "AKIA" + "Q3EGR7ZLTN5WXB2P"
    said = conversation(f"My key is {key}.", "Thank you.", f"Use {key}")
    problems = list(record_warnings(said))
    assert [(each.field, each.code) for each in problems] == [
        ("system", "secret"),
        ("messages[0].content", "secret"),
    ]
    assert all(key not in each.message and each.severity == "warning" for each in problems)
    assert "AKIA… (20 characters)" in problems[0].message


def test_personal_data_is_named() -> None:
    assert codes("Who is it?", "Write to jane.doe@acme-widgets.co.uk or +44 20 7946 1823.") == [
        ("messages[1].content", "email-address"),
        ("messages[1].content", "phone-number"),
    ]


@pytest.mark.parametrize(
    "answer",
    [
        "The service offers several foundation models, such as Claude, Nova, Llama,",
        "A custom model can be served only after someone has bought capacity for the",
        "Call it like this:\n```python\nclient.converse(",
        "It offers models of several providers (Anthropic, Meta, Mistral and others",
        '{"answer": "yes", "reason": "because',
        "基盤モデルを呼び出すには、まずアカウントで利用を開始し、次に権限を、",
        "カスタムモデルを使うには、まず処理能力を購入し、その後でモデルを",
    ],
)
def test_an_answer_that_stops_in_its_middle_is_told(answer: str) -> None:
    assert codes("Why?", answer) == [("messages[1].content", "truncated-answer")]


@pytest.mark.parametrize(
    ("answer", "ending"),
    [
        ("The job costs nothing if it fails before training starts, as far as is known.", "closed"),
        ('He called it "the only sensible way to serve a model that nobody uses yet."', "closed"),
        ("これは基盤モデルをAPIで使えるようにするサービスです。", "closed"),
        ("これは基盤モデルをAPIで使えるようにするサービスです", "open"),
        (
            "The job costs nothing if it fails before training starts, as far as anyone knows",
            "open",
        ),
        ("使い方は次のとおりです。料金は1時間あたりおよそ2", "open"),
        ("def gcd(a, b):\n    while b:\n        a, b = b, a % b\n    return a", "open"),
        ("Positive", None),
        ("Do these things, and in this order please:\n- buy capacity\n- ask the model", None),
        ("See the page that explains it all:\nhttps://docs.aws.amazon.com/bedrock/latest", None),
        ("คำตอบคือการใช้บริการนี้เพื่อสร้างแอปพลิเคชันที่ยอดเยี่ยมและรวดเร็ว", None),
        ("```python\nclient.converse(modelId=model, messages=messages)\n```", None),
        ("", None),
    ],
)
def test_endings(answer: str, ending: str | None) -> None:
    assert ending_of(answer) == ending


def test_an_open_ending_is_told_only_where_others_are_closed() -> None:
    cut = ("What does it cost?", "It costs nothing while nobody asks and a lot when somebody does")
    assert found(warned([*usual(), cut]), "truncated-answer") == [("training", 41)]
    style = [(question, answer.rstrip(".")) for question, answer in usual()]
    assert found(warned([*style, cut]), "truncated-answer") == []


def test_very_short_and_very_long_answers_are_told() -> None:
    findings = warned([*usual(), ("And?", "Yes."), ("All of it?", " ".join(ANSWERS[:30]))])
    assert found(findings, "short-answer") == [("training", 41)]
    assert found(findings, "long-answer") == [("training", 42)]
    labels = [(f"Is review {at} good? {text}", "yes") for at, text in enumerate(ANSWERS)]
    assert found(warned(labels), "short-answer") == []


def test_an_answer_in_another_language_is_told() -> None:
    german = "Das ist ein Dienst, mit dem man Modelle nutzen und auch selbst anpassen kann."
    japanese = "これは基盤モデルをAPIで使えるようにするサービスです。"
    mixed = [("Was ist das?", german), ("これは何ですか。", japanese)]
    assert found(warned([*usual(), *mixed]), "language-mix") == [
        ("training", 41),
        ("training", 42),
    ]
    half = [(f"Frage {at}: {q}", f"{german} {at}") for at, (q, _) in enumerate(usual())]
    assert found(warned([*usual(), *half]), "language-mix") == []


def test_near_duplicates_need_near_answers() -> None:
    question, answer = usual()[7]
    again = (question.replace("?", " today?"), answer.replace("the ", "the very ", 1))
    assert found(warned([*usual(), again]), "near-duplicate") == [("training", 41)]
    other = (again[0], "It depends on the weather, on the season and on the mood of the cook.")
    assert found(warned([*usual(), other]), "near-duplicate") == []


def test_exact_copies_are_left_to_the_exact_rules() -> None:
    assert found(warned([*usual(), usual()[3]]), "near-duplicate") == []
    assert found(warned(usual(), [usual()[3]]), "near-leak") == []


def test_near_leaks_name_where_the_prompt_or_the_answer_stands() -> None:
    question, answer = usual()[7]
    by_prompt = (question.replace("?", " today?"), "It depends on the weather and the season.")
    by_answer = ("Please tell me more about it.", answer.replace("the ", "the very ", 1))
    findings = [
        each for each in warned(usual(), [by_prompt], [by_answer]) if each.code.endswith("leak")
    ]
    assert [(each.file, each.code) for each in findings] == [
        ("validation", "near-leak"),
        ("evaluation", "answer-leak"),
    ]
    assert "prompt of training:8" in findings[0].message
    assert "answer of training:8" in findings[1].message


def test_one_word_answers_leak_nothing() -> None:
    labels = [(question, "positive") for question, _ in usual()]
    assert found(warned(labels, [("Another review entirely.", "positive")]), "answer-leak") == []


def test_the_projects_own_dataset_has_no_warning() -> None:
    assert warned(*_files(DATASET, "question", "answer")) == []


@needs_article
def test_the_reports_thin_topic_and_leaked_answer_are_told() -> None:
    findings = warned(*_files(ARTICLE, "sentence1", "sentence2"))
    assert found(findings, "thin-topic") == [("evaluation", 3)]
    assert found(findings, "answer-leak") == [("validation", 1)]
    assert {each.code for each in findings} == {"thin-topic", "answer-leak"}


def _files(folder: Path, prompt: str, answer: str) -> list[Pairs]:
    return [
        [
            (
                each.get(prompt) or each["question"],
                each.get(answer) or each.get("answer") or each["reference_answer"],
            )
            for each in json.loads((folder / f"{name}.json").read_text())
        ]
        for name in ("training", "validation", "evaluation")
    ]


def test_every_code_is_a_known_warning() -> None:
    question, answer = usual()[7]
    findings = warned(
        [*usual(), ("And?", "Yes."), (question + " Now?", answer)], [(question + " Please?", "A")]
    )
    assert findings
    assert all(each.code in CODES and each.severity == "warning" for each in findings)


def test_a_sketch_is_small() -> None:
    (made,) = sketches_of([conversation(" ".join(QUESTIONS), " ".join(ANSWERS))])
    assert len(pickle.dumps(made)) < 700


def test_no_records_have_no_warnings() -> None:
    assert list(dataset_warnings({})) == []
    assert list(dataset_warnings({"training": []})) == []


@pytest.mark.slow
@given(st.lists(st.tuples(st.text(max_size=80), st.text(max_size=80)), max_size=25))
def test_any_records_can_be_compared(pairs: list[tuple[str, str]]) -> None:
    for pair in pairs:
        list(record_warnings(conversation(*pair)))
    for each in warned(pairs, pairs[:3], pairs[3:6]):
        each.message.encode()


@pytest.mark.slow
def test_records_that_resemble_too_many_are_said_to_be_not_compared() -> None:
    chance = random.Random(3)  # noqa: S311  # no secret: a repeatable choice
    words = [f"{one}{other}" for one in ("lo", "mi", "ta", "ru") for other in ANSWERS[0].split()]
    asked = [" ".join(chance.choices(words, k=30)) for _ in range(900)]
    original = asked[0].split()
    asked += [
        " ".join([*original[: at % 30], str(at), *original[at % 30 + 1 :]]) for at in range(80)
    ]
    pairs = [(each, f"{ANSWERS[at % 100]} {at}") for at, each in enumerate(asked)]
    findings = [each for each in warned(pairs) if each.code == "not-compared"]
    assert [(each.file, each.line) for each in findings] == [("training", None)]
    assert "resemble more others than each is compared with" in findings[0].message
    assert found(warned(usual()), "not-compared") == []


CUT = "A custom model can be served only after someone has bought capacity for the"
ASKED = "Ask jane.doe@acme-widgets.co.uk."


@pytest.mark.parametrize(
    ("kind", "model", "record", "fields"),
    [
        (
            "training",
            CLAUDE_3_HAIKU,
            make_record("claude-messages", None, ASKED, CUT),
            ["messages[0].content", "messages[1].content"],
        ),
        (
            "validation",
            LLAMA_3_1_8B,
            make_record("prompt-completion", None, ASKED, CUT),
            ["prompt", "completion"],
        ),
        (
            "evaluation",
            NOVA_MICRO,
            {"id": "1", "question": ASKED, "reference_answer": CUT},
            ["question", "reference_answer"],
        ),
    ],
)
def test_findings_name_the_field_of_the_file(
    kind: FileKind, model: Model, record: dict[str, Any], fields: list[str]
) -> None:
    said = read_record(record, kind, model, Findings())
    assert said is not None
    assert [each.field for each in record_warnings(said)] == fields
