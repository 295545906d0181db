from __future__ import annotations

import json
from statistics import fmean
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.domain.evaluation.metrics import (
    ExactMatch,
    Judged,
    LabelF1,
    Metric,
    figures_of,
    influences,
    metrics_of,
    needs_judge,
    plain,
    told,
    with_metrics,
)
from lambdas.domain.evaluation.results import without_texts
from lambdas.domain.run.contracts import MetricFigures
from lambdas.domain.run.execution_input import MetricName
from lambdas.validation.formats.answer_schema import AnswerSchema

SCHEMA = AnswerSchema.parse(json.dumps({"required": ["queue"], "type": "object"}).encode())
METRICS: dict[MetricName, Metric] = {
    name: metrics_of(name, SCHEMA, judged=True)[0] for name in get_args(MetricName)
}


def side(answer: str | None, **more: object) -> dict[str, Any]:
    if answer is None:
        return {"error": "Throttled: could not ask", **more}
    return {"answer": answer, "outcome": "answered" if answer else "empty", **more}


def asked(reference: str, base: str | None, tuned: str | None) -> dict[str, Any]:
    return {
        "id": reference,
        "reference_answer": reference,
        "base": side(base),
        "tuned": side(tuned),
    }


def kept(*questions: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what is left of questions when they are scored and their texts are gone."""
    scored = [with_metrics(each, *METRICS.values()) for each in questions]
    return [without_texts(each) for each in scored]


@pytest.mark.parametrize(
    ("answer", "reference"),
    [
        ("Network", "network"),
        ("  network\n", "network"),
        ("network.", "Network"),
        ('"network"', "network"),
        ("'Network!'", "network"),
        ("“Network.”", "network"),
        ("New  York", "new york"),
        ("ＮＥＴＷＯＲＫ", "network"),  # noqa: RUF001  # full width
        ("４２", "42"),  # noqa: RUF001  # same
        ("「東京」。", "東京"),
        ("東京 都", "東京都"),
        ("ﾈｯﾄﾜｰｸ", "ネットワーク"),
        ("ネットワーク。", "ネットワーク"),
        ("net\u200bwork\ufeff", "network"),
        ("Straße", "STRASSE"),
        ("cafe\u0301", "café"),
        ("!?", "!?"),
    ],
)
def test_what_makes_no_other_answer_does_not_count(answer: str, reference: str) -> None:
    assert ExactMatch().is_right(reference, answer)


@pytest.mark.parametrize(
    ("answer", "reference"),
    [
        ("The network", "network"),
        ("network or billing", "network"),
        ("newyork", "new york"),
        ("-5", "5"),
        ("1.5", "15"),
        ("バス", "パス"),
        ("びよういん", "びょういん"),
        ("東京都", "東京"),
        ("!", "?"),
    ],
)
def test_what_makes_another_answer_does(answer: str, reference: str) -> None:
    assert not ExactMatch().is_right(reference, answer)


@given(st.text(), st.text())
def test_plain_texts_stay_as_they_are_and_an_answer_is_itself(one: str, other: str) -> None:
    assert plain(plain(one)) == plain(one)
    assert ExactMatch().is_right(one, one)
    assert ExactMatch().is_right(one, other) == ExactMatch().is_right(other, one)


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
@pytest.mark.parametrize("outcome", ["empty", "filtered", "malformed"])
def test_no_answer_scores_the_lowest_whatever_text_there_is(metric: Metric, outcome: str) -> None:
    question = asked("a", "a", "a")
    # The lowest of the judge's scores, as `results_of` has it.
    question["tuned"] = {"answer": '{"queue": "a"}', "outcome": outcome, "score": 1}
    [result] = kept(question)
    assert metric.score(result["tuned"]) == metric.lowest


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_a_missing_answer_is_left_out_or_counts_as_the_lowest(metric: Metric) -> None:
    results = kept(asked("a", "a", None), asked("b", None, None))
    assert metric.measure(results).figures == ()
    assert metric.score(results[0]["tuned"]) is None
    scores = metric.measure(results, missing_is_lowest=True).scores
    assert [tuned for _, tuned in scores] == [metric.lowest] * 2


def test_the_judges_score_is_its_own() -> None:
    question = asked("a", "x", "y")
    assert Judged().measure(kept(question)).scores == ()
    question["base"]["score"], question["tuned"]["score"] = 3, 8
    assert Judged().measure(kept(question)).figures == ((3, 8),)


def test_json_schema_heeds_the_schema_and_not_the_reference() -> None:
    metric = METRICS["json-schema"]
    results = kept(asked("anything", '{"queue": 1}', '{"other": 1}'))
    assert metric.measure(results).scores == ((1, 0),)
    said = "1 of 1 answers of the tuned model are not valid; the commonest reason, of 1: "
    assert [*metric.notes(results)] == [f"{said}$: 'queue' is a required property."]


def test_what_can_be_measured_depends_on_judge_and_schema() -> None:
    metric, others = metrics_of("exact-match", None, judged=False)
    assert [each.name for each in (metric, *others)] == ["exact-match", "label-f1"]
    metric, others = metrics_of("judge", SCHEMA, judged=True)
    assert [each.name for each in (metric, *others)] == [
        "judge",
        "exact-match",
        "label-f1",
        "json-schema",
    ]
    with pytest.raises(KeyError):
        metrics_of("json-schema", None, judged=True)


def test_the_deciding_metrics_score_is_the_score() -> None:
    question = asked("a", "x", "a")
    question["base"] |= {"score": 3, "reason": "Wrong."}
    exact, label = METRICS["exact-match"], METRICS["label-f1"]
    judged = with_metrics(question, Judged(), exact)
    assert (judged["base"]["score"], judged["base"]["reason"]) == (3, "Wrong.")
    assert (judged["base"]["exact-match"], judged["tuned"]["exact-match"]) == (0, 1)
    scored = with_metrics(question, exact, label)
    assert (scored["base"]["score"], scored["base"]["reason"]) == (0, "")
    assert scored["tuned"]["score"] == 1


def test_macro_f1_as_worked_by_hand() -> None:
    """a: 1 of 2 found, 1 given; b: 2 of 2 found, 3 given; c: never given."""
    references, answers = "aabbc", ["a", "b", "b", "b", "none of them"]
    expected = (2 / 3 + 4 / 5 + 0) / 3
    assert fmean(influences(references, answers)) == pytest.approx(expected)


_LABELS = st.sampled_from(["a", "b", "c", "d"])
_PAIRS = st.lists(st.tuples(_LABELS, st.sampled_from(["a", "b", "c", "d", "x", ""])), min_size=1)


def f1_by_definition(references: list[str], answers: list[str]) -> float:
    def f1(label: str) -> float:
        right = sum(one == other == label for one, other in zip(references, answers, strict=True))
        if not right:
            return 0.0
        precision, recall = right / answers.count(label), right / references.count(label)
        return 2 * precision * recall / (precision + recall)

    return fmean(map(f1, set(references)))


@given(_PAIRS)
def test_the_mean_of_what_questions_add_is_the_macro_f1(pairs: list[tuple[str, str]]) -> None:
    references, answers = (list(each) for each in zip(*pairs, strict=True))
    found = fmean(influences(references, answers))
    assert found == pytest.approx(f1_by_definition(references, answers))


def test_what_a_question_adds_is_what_more_of_it_would_change() -> None:
    """The first-order change, as by asking a question one more time among very many."""
    references, answers = ["a", "a", "b", "b", "c"] * 2_000, ["a", "b", "b", "x", "c"] * 2_000
    before = f1_by_definition(references, answers)
    for at in range(5):
        more = f1_by_definition([*references, references[at]], [*answers, answers[at]])
        changed = (more - before) * (len(references) + 1)
        assert influences(references, answers)[at] - before == pytest.approx(changed, rel=1e-2)


def test_label_f1_wins_by_the_question_and_names_answers_that_are_no_label() -> None:
    results = kept(
        asked("billing", "Billing.", "billing"),
        asked("network", "It is the network", "network"),
        asked("hardware", "billing", ""),
    )
    measured = LabelF1().measure(results)
    assert measured.scores == ((1, 1), (0, 1), (0, 0))
    assert fmean(base for base, _ in measured.figures) == pytest.approx((2 / 3) / 3)
    assert fmean(tuned for _, tuned in measured.figures) == pytest.approx(2 / 3)
    assert [*LabelF1().notes(results)] == [
        "3 reference answers have 3 labels: label-f1 is for answers that are one of a few.",
        "1 of 3 answers of the base model are none of the 3 labels, and so are wrong.",
    ]


def test_a_long_text_is_kept_as_the_label_that_it_is_not() -> None:
    same, other = asked("x" * 500, "x" * 500, "y" * 500), asked("y" * 500, "y" * 500, None)
    results = kept(same, other)
    assert LabelF1().measure(results).scores == ((1, 0),)
    assert max(len(each["label"]) for each in results) < 100


def test_only_the_judge_is_asked() -> None:
    assert [name for name in get_args(MetricName) if needs_judge(name)] == ["judge"]


@pytest.mark.parametrize("name", get_args(MetricName))
def test_a_metric_goes_by_its_name_in_the_input(name: MetricName) -> None:
    metric = METRICS[name]
    assert metric.name == name
    assert metric.scale() == (9 if name == "judge" else 1)
    assert metric.shown(0.625) == ("0.62" if name == "judge" else "62.5 %")
    assert metric.change(-0.05) == ("-0.05" if name == "judge" else "-5.0 points")
    marks = {"judge": "1 of 10", "json-schema": "valid"}
    assert metric.mark(1) == marks.get(name, "right")


def test_figures_that_say_nothing_are_not_shown() -> None:
    results = kept(asked("one text", "x", "y"), asked("another", "x", "another"))
    shown = {name: figures_of(metric, results) for name, metric in METRICS.items()}
    assert {name for name, figures in shown.items() if figures} == {"exact-match"}
    assert shown["exact-match"]
    assert told(shown["exact-match"]) == "Exact match: 50.0 % tuned, 0.0 % base."


def test_a_title_keeps_its_capitals() -> None:
    valid = MetricFigures(metric="json-schema", base=0.25, tuned=1)
    assert told(valid) == "Valid JSON: 100.0 % tuned, 25.0 % base."
