from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.domain.errors import DatasetInvalid
from lambdas.domain.hosting.answering import check_questions
from lambdas.domain.models.lookup import find_judge
from lambdas.domain.models.model import Limits, Model
from lambdas.domain.run.dataset_files import EVALUATION, TRAINING, VALIDATION
from lambdas.validation import KEPT_PER_CODE, ValidationReport, make_record, refusal
from lambdas.validation.check import Options
from lambdas.validation.check import check as check_dataset
from lambdas.validation.formats.conversation import ROLES, Conversation, Turn, make_conversation
from lambdas.validation.formats.tokens import estimate
from lambdas.validation.scan import most_compared
from tests.fakes.bytes_source import BytesSource
from tests.models import CLAUDE_3_HAIKU, NOVA_MICRO

# Tiny records deserve warnings about single answers and topics, which other tests are for.
ANSWER_WARNINGS = {
    "short-answer",
    "long-answer",
    "truncated-answer",
    "thin-topic",
    "near-duplicate",
    "near-leak",
    "answer-leak",
}
SMALL = CLAUDE_3_HAIKU.model_copy(
    update={
        "limits": Limits(
            min_training_records=2,
            max_training_records=4,
            max_validation_records=2,
            max_total_records=5,
            max_tokens_per_record=1000,
            max_training_bytes=5000,
            max_validation_bytes=5000,
        )
    }
)


def limited(**limits: int | None) -> Model:
    return SMALL.model_copy(update={"limits": SMALL.limits.model_copy(update=limits)})


def pairs(count: int, name: str = "t", system: str | None = "S") -> list[dict[str, Any]]:
    return [
        make_record("claude-messages", system, f"Question {name} {n}?", f"Answer {n}.")
        for n in range(count)
    ]


def examples(count: int = 1, name: str = "e") -> list[dict[str, str]]:
    return [
        {"id": f"{name}-{n}", "question": f"Question {name} {n}?", "reference_answer": "A"}
        for n in range(count)
    ]


def lines(records: Iterable[object]) -> list[bytes]:
    return [each if isinstance(each, bytes) else json.dumps(each).encode() for each in records]


def check(
    training: Iterable[object],
    validation: Iterable[object] | None = None,
    evaluation: Iterable[object] | None = None,
    model: Model = SMALL,
    options: Options = Options(),  # noqa: B008  # immutable
) -> ValidationReport:
    files = {
        TRAINING: training,
        VALIDATION: validation,
        EVALUATION: examples() if evaluation is None else evaluation,
    }
    sources = {
        name: BytesSource(name, b"".join(line + b"\n" for line in lines(records)))
        for name, records in files.items()
        if records is not None
    }
    return check_dataset(
        model,
        sources[TRAINING],
        sources.get(VALIDATION),
        sources[EVALUATION],
        options,
    )


def found(checked: ValidationReport) -> list[tuple[str, int | None, str, str]]:
    """Return all findings but warnings about single answers, which these tiny records all cause."""
    return [
        (f.file, f.line, f.code, f.severity)
        for f in checked.findings.kept
        if f.code not in ANSWER_WARNINGS
    ]


def test_a_good_dataset_has_no_finding() -> None:
    checked = check(pairs(3), pairs(2, "v"), examples(2))
    assert found(checked) == []
    assert checked.valid
    assert checked.system_prompt == "S"
    assert checked.as_json()["summary"]["files"][TRAINING]["records"] == 3


@pytest.mark.parametrize(
    ("dataset", "finding"),
    [
        ({"training": pairs(1)}, (TRAINING, None, "too-few-records", "error")),
        ({"training": pairs(5)}, (TRAINING, None, "too-many-records", "error")),
        ({"training": []}, (TRAINING, None, "too-few-records", "error")),
        (
            {"training": pairs(2), "validation": pairs(3, "v")},
            (VALIDATION, None, "too-many-records", "error"),
        ),
        (
            {"training": pairs(4), "validation": pairs(2, "v")},
            (TRAINING, None, "too-many-records", "error"),
        ),
        (
            {"training": pairs(2), "validation": []},
            (VALIDATION, None, "too-few-records", "error"),
        ),
        ({"training": pairs(2), "evaluation": []}, (EVALUATION, None, "too-few-records", "error")),
        ({"training": [*pairs(2), b""]}, (TRAINING, 3, "blank-line", "error")),
        ({"training": [*pairs(2), b"{"]}, (TRAINING, 3, "not-json", "error")),
        ({"training": [*pairs(2), *pairs(1)]}, (TRAINING, 3, "duplicate", "warning")),
        (
            {"training": [*pairs(2), *pairs(1, system="other")]},
            (TRAINING, 3, "repeated-prompt", "warning"),
        ),
        (
            {"training": [*pairs(2), *pairs(1, "x", system=None)]},
            (TRAINING, None, "several-system-prompts", "warning"),
        ),
        (
            {"training": pairs(2), "options": Options(system_prompt="other")},
            (TRAINING, None, "other-system-prompt", "warning"),
        ),
        ({"training": pairs(2), "validation": pairs(1)}, (VALIDATION, 1, "leak", "warning")),
        (
            {"training": pairs(2), "evaluation": examples(1, "t")},
            (EVALUATION, 1, "leak", "warning"),
        ),
        (
            {"training": pairs(2), "validation": pairs(1, "e")},
            (EVALUATION, 1, "leak", "warning"),
        ),
        (
            {"training": pairs(2), "evaluation": [*examples(), *examples()]},
            (EVALUATION, 2, "duplicate-id", "error"),
        ),
        (
            {"training": pairs(2), "evaluation": [{**examples()[0], "id": "x" * 200}]},
            (EVALUATION, 1, "id-too-long", "error"),
        ),
        (
            {"training": [*pairs(2), make_record("claude-messages", None, "Q", "word " * 1300)]},
            (TRAINING, None, "file-too-large", "error"),
        ),
    ],
    ids=str,
)
def test_rules_of_the_whole(
    dataset: dict[str, Any], finding: tuple[str, int | None, str, str]
) -> None:
    assert finding in found(check(**dataset))


def test_a_validation_file_without_records_may_be_removed() -> None:
    empty = check(training=pairs(2), validation=[], evaluation=[])
    fixes = {f.file: f.fix for f in empty.findings.kept if f.code == "too-few-records"}
    assert fixes[VALIDATION] == "add records, or remove the file"
    assert fixes[EVALUATION].startswith("add questions, ")


def test_questions_that_can_decide_nothing_are_set_aside() -> None:
    """Every one of them: findings are capped, and a thousand leaks must not decide."""
    long = "How long may a batch transform job of the second kind wait for its turn in the queue?"
    trained = [*pairs(1), make_record("claude-messages", "S", long, "Four days, then it is gone.")]
    questions = [
        "Question t 0?",  # in training
        long.replace("job of", "job, of").replace("its turn", "a turn"),  # nearly
        "Which one is new?",
        "which one is NEW",  # asked twice
        "And this?",
        *["Question t 0?"] * 2 * KEPT_PER_CODE,
    ]
    asked = [
        {"id": f"e-{n}", "question": question, "reference_answer": f"Answer {n}."}
        for n, question in enumerate(questions)
    ]
    aside = check(trained, evaluation=asked).set_aside
    assert {id_: aside.get(id_) for id_ in ("e-0", "e-1", "e-2", "e-3", "e-4")} == {
        "e-0": "in training or validation",
        "e-1": "nearly in training or validation",
        "e-2": None,
        "e-3": "asked twice",
        "e-4": None,
    }
    assert len(aside) == 3 + 2 * KEPT_PER_CODE


def test_a_question_inside_a_conversation_of_training_is_set_aside() -> None:
    said = ["What is a unit?", "A unit.", "Which term has it?", "None.", "And the price?", "$1."]
    turns = tuple(Turn(ROLES[at % 2], text) for at, text in enumerate(said))
    talk = make_conversation("claude-messages", Conversation(None, turns))
    questions = ["which TERM has it", "What is a unit?", "And the price?", "A unit.", "Is it new?"]
    asked = [
        {"id": question, "question": question, "reference_answer": "So it is."}
        for question in questions
    ]
    aside = check([*pairs(1), talk], evaluation=asked).set_aside
    assert aside == dict.fromkeys(questions[:3], "in training or validation")


def test_a_question_behind_a_pairs_system_prompt_is_set_aside() -> None:
    """A pair has one prompt, of which a long system prompt is most: nothing else would be near."""
    system = "You answer for the water company. Name the valve.\n\nNever guess, and be brief."
    questions = ["Which valve is shut at night?", "Look at this:\n\nvalve 7\n\nIs it shut?"]
    trained = [make_record("prompt-completion", system, each, "It is.") for each in questions]
    asked = [
        {"id": question, "question": question, "reference_answer": "So it is."}
        for question in [*questions, "valve 7"]
    ]
    model = SMALL.model_copy(update={"record_format": "prompt-completion"})
    aside = check(trained, evaluation=asked, model=model).set_aside
    assert aside == dict.fromkeys(questions, "in training or validation")


def test_as_many_questions_are_compared_as_a_model_is_hosted_for() -> None:
    """Else the last of very many may be copies that nobody looked for."""
    with pytest.raises(DatasetInvalid, match="keep a sample"):
        check_questions(most_compared("evaluation"))


@pytest.mark.parametrize(("leaks", "refused"), [(2, False), (3, True)])
def test_questions_that_decide_nothing_do_not_count(leaks: int, *, refused: bool) -> None:
    """Eight questions, six of which have to decide."""
    asked = [
        {
            "id": f"e-{n}",
            "question": f"Question t {n}?" if n < leaks else f"Is number {n} another one?",
            "reference_answer": f"Reply {n}.",
        }
        for n in range(8)
    ]
    options = Options(min_evaluation_questions=6)
    report = check(pairs(4), evaluation=asked, options=options)
    found = [each for each in report.findings.kept if each.code == "too-few-records"]
    assert bool(found) is refused
    if refused:
        assert "3 of 8 questions stand in training or validation" in found[0].message
        assert "at least 6 others are needed, not 5" in found[0].message


def general(*questions: str, answer: str = "A") -> BytesSource:
    asked = [
        {"id": f"g-{n}", "question": question, "reference_answer": answer}
        for n, question in enumerate(questions)
    ]
    return BytesSource("general.jsonl", b"".join(line + b"\n" for line in lines(asked)))


def checked_with(
    general: BytesSource | None = None,
    schema: bytes | None = None,
    evaluation: list[dict[str, str]] | None = None,
    options: Options = Options(),  # noqa: B008  # immutable
) -> ValidationReport:
    def source(name: str, records: Iterable[object]) -> BytesSource:
        return BytesSource(name, b"".join(line + b"\n" for line in lines(records)))

    return check_dataset(
        SMALL,
        source(TRAINING, pairs(2)),
        None,
        source(EVALUATION, evaluation or examples()),
        options,
        general=general,
        answer_schema=schema and BytesSource("answer.schema.json", schema),  # type: ignore[arg-type]
    )


def test_general_questions_are_checked_and_set_aside_by_themselves() -> None:
    """One of the evaluation file is no leak: both are asked and nothing of either is trained on."""
    report = checked_with(general("Question t 0?", "Question e 0?", "Is it new?", "is it NEW"))
    assert report.set_aside == {}
    assert report.general_set_aside == {"g-0": "in training or validation", "g-3": "asked twice"}
    assert found(report) == [
        ("general.jsonl", 1, "leak", "warning"),
        ("general.jsonl", 4, "repeated-prompt", "warning"),
    ]
    assert report.files["general.jsonl"].records == 4


def test_nearly_the_same_question_is_no_leak_between_files_of_questions() -> None:
    long = "How long may a batch transform job of the second kind wait for its turn in the queue?"
    answer = "It may wait for four days and is gone after that, with all that it has made."
    near = long.replace("its turn", "a turn")
    asked = [
        {"id": question, "question": question, "reference_answer": answer}
        for question in (long, "Who pays?", "Where is the key kept?", "Is there a discount?")
    ]
    between = checked_with(general(near, answer=answer), evaluation=asked)
    assert (between.set_aside, between.general_set_aside) == ({}, {})
    twice = checked_with(evaluation=[*asked, {**asked[0], "id": "f", "question": near}])
    assert twice.set_aside == {"f": "nearly asked twice"}


def test_an_id_may_stand_in_both_files_of_questions_but_in_one_only_once() -> None:
    same = [{"id": "g-0", "question": "What?", "reference_answer": "A"}]
    assert found(checked_with(general("Which?"), evaluation=same)) == []
    twice = checked_with(evaluation=[*same, {**same[0], "question": "Who?"}])
    assert (EVALUATION, 2, "duplicate-id", "error") in found(twice)


def test_no_general_question_has_the_id_of_another_in_the_results() -> None:
    asked = [{"id": "general/g-1", "question": "What?", "reference_answer": "A"}]
    report = checked_with(general("Which?", "Who?"), evaluation=asked)
    [finding] = [each for each in report.findings.kept if each.code == "duplicate-id"]
    assert (finding.file, finding.line) == ("general.jsonl", 2)
    assert finding.message == f"with general/ before it, it is the id of {EVALUATION}:1"


def test_a_general_file_has_a_question_and_readable_lines() -> None:
    empty = checked_with(BytesSource("general.jsonl", b""))
    assert ("general.jsonl", None, "too-few-records", "error") in found(empty)
    torn = checked_with(BytesSource("general.jsonl", b'{"id": "g"}\n{\n'))
    assert {
        ("general.jsonl", 1, "not-text", "error"),
        ("general.jsonl", 2, "not-json", "error"),
    } <= {*found(torn)}


@pytest.mark.parametrize("reference", ['{"a": 1}', '```json\n{"a": 2}\n```', '{"a": "1"}', "no"])
def test_references_have_to_be_what_the_schema_asks_of_answers(reference: str) -> None:
    schema = b'{"type": "object", "properties": {"a": {"type": "integer"}}}'
    asked = [{"id": "e", "question": "What?", "reference_answer": reference}]
    report = checked_with(general("What else?"), schema, asked)
    assert report.valid is reference.endswith(("1}", "```"))
    assert {each.code for each in report.findings.kept if each.severity == "error"} == (
        set() if report.valid else {"not-of-schema"}
    )


def test_references_that_come_near_the_limit_of_answers_are_named() -> None:
    sizes = (10, 100, 60, 75)  # words, of about a token each
    asked = [
        {"id": str(n), "question": f"Which {n}?", "reference_answer": "house " * size}
        for n, size in enumerate(sizes)
    ]
    tokens = [estimate([each["reference_answer"]], "claude").expected for each in asked]
    options = Options(max_answer_tokens=tokens[3])
    tight = [
        each
        for each in checked_with(evaluation=asked, options=options).findings.kept
        if each.code == "tight-answers"
    ]
    lines = [line for line, each in enumerate(tokens, start=1) if each >= 0.8 * tokens[3]]
    assert [(each.file, each.line) for each in tight] == [(EVALUATION, line) for line in lines]
    assert f"about {tokens[1]} tokens" in tight[0].message
    for harmless in (Options(), Options(max_answer_tokens=2 * tokens[1])):
        report = checked_with(evaluation=asked, options=harmless)
        assert "tight-answers" not in {each.code for each in report.findings.kept}


def test_examples_in_japanese_are_counted() -> None:
    texts = ["東京はどこですか。", "料金は?", "What is すし?", "这是什么", "What is it?"]
    asked = [
        {"id": str(n), "question": text, "reference_answer": "A"} for n, text in enumerate(texts)
    ]
    assert checked_with(evaluation=asked).files[EVALUATION].japanese == 2


def test_a_leak_hides_behind_neither_case_nor_signs() -> None:
    leak = {"id": "x", "question": " question  T 0", "reference_answer": "A"}
    checked = check(pairs(2), evaluation=[leak])
    [finding] = [each for each in checked.findings.kept if each.code == "leak"]
    assert finding.message.startswith("the same prompt as training.jsonl:1")


def test_a_record_surely_too_long_is_an_error_and_one_perhaps_too_long_a_warning() -> None:
    model = limited(max_training_bytes=None)
    perhaps = make_record("claude-messages", None, "Q", "word " * 1000)
    surely = make_record("claude-messages", None, "Q", "word " * 1300)
    assert found(check([*pairs(2), perhaps, surely], model=model))[:2] == [
        (TRAINING, 3, "maybe-too-many-tokens", "warning"),
        (TRAINING, 4, "too-many-tokens", "error"),
    ]


def test_the_real_limits_are_the_models() -> None:
    checked = check(pairs(31), model=CLAUDE_3_HAIKU)
    assert "31 records; at least 32 are needed" in refusal(checked, "s3://b/k")
    assert check(pairs(32), model=CLAUDE_3_HAIKU).valid
    converse = [make_record("converse", "S", f"Q {n}", "A") for n in range(8)]
    assert check(converse, model=NOVA_MICRO).valid
    assert not check(converse[:7], model=NOVA_MICRO).valid


def test_haikus_validation_file_has_a_least() -> None:
    checked = check(pairs(32), validation=pairs(31, "v"), model=CLAUDE_3_HAIKU)
    assert "31 records; at least 32 are needed" in refusal(checked, "s3://b/k")
    assert check(pairs(32), validation=pairs(32, "v"), model=CLAUDE_3_HAIKU).valid


def test_a_model_without_a_validation_file_refuses_one() -> None:
    model = limited(max_validation_records=0)
    assert check(pairs(2), model=model).valid
    checked = check(pairs(2), validation=pairs(1, "v"), model=model)
    refused = refusal(checked, "s3://b/k")
    assert "takes no validation file (remove the file, or add its records" in refused


JUDGE = find_judge("claude-haiku-4-5").model_copy(update={"context_tokens": 4 * 1024})


@pytest.mark.parametrize(
    ("question", "reference", "system", "answer", "says"),
    [
        (1000, 1, 0, 0, None),
        (1200, 1, 0, 0, "1024 fit into the model's context"),
        (900, 1, 0, 0, None),
        (900, 1, 0, 300, "724 fit into the model's context"),
        (900, 1, 300, 0, "fit into the model's context"),
        (1000, 3300, 0, 0, None),
        (1000, 3700, 0, 0, "4096 fit into the judge's context"),
        (700, 3300, 0, 300, None),
        (700, 3600, 0, 300, "3796 fit into the judge's context"),
    ],
)
def test_a_question_that_model_or_judge_cannot_read_is_refused(
    question: int, reference: int, system: int, answer: int, says: str | None
) -> None:
    """Lengths in words, of which ten are about nine tokens at least; contexts 1k and 4k."""
    example = {"id": "e", "question": words(question), "reference_answer": words(reference)}
    options = Options(
        system_prompt=words(system), warnings=False, judge=JUDGE, max_answer_tokens=answer
    )
    model = SMALL.model_copy(update={"context": "1k"})
    report = check(pairs(2), evaluation=[example], model=model, options=options)
    messages = [each.message for each in report.findings.kept if each.code == "does-not-fit"]
    assert len(messages) == (1 if says else 0), messages
    assert all(str(says) in each for each in messages)


def test_a_judge_of_unknown_context_reads_everything() -> None:
    judge = JUDGE.model_copy(update={"context_tokens": None})
    example = {"id": "e", "question": "Q?", "reference_answer": words(300_000)}
    report = check(pairs(2), evaluation=[example], options=Options(warnings=False, judge=judge))
    assert report.valid


def words(count: int) -> str:
    return "word " * count


def test_the_most_common_system_prompt_is_asked_with_unless_one_is_given() -> None:
    training = [*pairs(2, system="A"), *pairs(1, "x", system="B")]
    assert check(training).system_prompt == "A"
    assert check(training, options=Options(system_prompt="B")).system_prompt == "B"
    assert check(pairs(2, system=None)).system_prompt is None


def test_all_findings_are_counted_and_some_kept() -> None:
    model = limited(max_training_records=1000)
    checked = check([*pairs(2), *[b"{"] * 250], model=model)
    written = json.loads(json.dumps(checked.as_json()))
    kept = [each for each in written["findings"] if each["code"] == "not-json"]
    assert [each["line"] for each in kept] == list(range(3, KEPT_PER_CODE + 3))
    count = {"file": TRAINING, "code": "not-json", "severity": "error", "count": 250}
    assert count in written["summary"]["counts"]
    assert written["verdict"] == "invalid"


def test_the_refusal_says_where_what_and_how_to_go_on() -> None:
    bad = {"messages": [{"role": "assistant", "content": "A"}] * 2}
    broken = [*examples(), *[b"{"] * 7]
    text = refusal(check([*pairs(2), bad], evaluation=broken), "s3://b/k")
    assert text.startswith("the dataset breaks rules of Claude 3 Haiku: 9 errors, ")
    assert (
        "training.jsonl:3 messages[0].role: the assistant speaks first (begin with the user)"
        in text
    )
    assert "… and 4 more" in text
    assert text.endswith("All findings: s3://b/k")


def test_the_refusal_shows_each_kind_before_a_second_of_one() -> None:
    text = refusal(check([*pairs(1), b"{", b"{"], [*[b"{"] * 7]), "s3://b/k")
    assert "validation.jsonl: 7 records; at most 2 are allowed" in text


def test_a_refusal_for_warnings_speaks_of_warnings() -> None:
    fail_on = frozenset({"duplicate", "secret"})
    checked = replace(check([*pairs(3), *pairs(1)]), fail_on=fail_on)
    text = refusal(checked, "s3://b/k")
    assert text.startswith(
        "the dataset breaks no rule of Claude 3 Haiku, but this environment's fail_on_warnings "
        "refuses duplicate: 1 warning\n"
    )
    assert "error" not in text


@pytest.mark.slow
@given(st.lists(st.binary(max_size=40), max_size=6))
def test_no_bytes_make_it_raise(content: list[bytes]) -> None:
    checked = check(content, content, content)
    json.dumps(checked.as_json(), ensure_ascii=False).encode()
    assert not checked.valid
