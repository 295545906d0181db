"""*Score similarity*: shard by shard, group by group, and never in the way of a run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lambdas.domain.evaluation.similarity import scoring
from lambdas.domain.evaluation.similarity.file_names import weights_key
from lambdas.domain.evaluation.similarity.means import mean_similarity, with_similarity
from lambdas.domain.run.contracts import ScoreSimilarityRequest, Similarity
from lambdas.handlers import score_similarity as state
from lambdas.handlers.score_similarity import score_similarity
from lambdas.runtime import step
from tests.factories import NOW, PREFIX, answers, run
from tests.fakes import s3 as fakes_s3
from tests.fakes.function import plenty
from tests.fakes.s3 import BUCKET, FakeS3

FOLDER = f"{PREFIX}/similarity/"
KEY = f"{FOLDER}00000.jsonl"
QUESTIONS = 6
REQUEST = ScoreSimilarityRequest(
    run=run(), now=NOW, base_answers=answers("base"), tuned_answers=answers("tuned")
)


def said(side: str) -> list[dict[str, Any]]:
    text = {"base": "Nobody knows what it costs.", "tuned": "A model unit costs 40 an hour."}[side]
    return [
        {
            "id": f"q-{i}",
            "question": f"Question {i}?",
            "reference_answer": f"A model unit costs {i} dollars an hour.",
            "answer": text,
            "outcome": "answered",
        }
        for i in range(QUESTIONS)
    ]


def lines(records: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(each) + "\n" for each in records).encode()


def answers_key(side: str) -> str:
    return f"{PREFIX}/answers-{side}/00000.jsonl"


@pytest.fixture(autouse=True)
def _new_process() -> Iterator[None]:
    state._loaded.cache_clear()  # noqa: SLF001  # as of a function that begins
    yield
    step._variables.cache_clear()  # noqa: SLF001  # a function parses its variables once


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> FakeS3:
    files = {answers_key(side): lines(said(side)) for side in ("base", "tuned")}
    return fakes_s3.install(monkeypatch, FakeS3(files))


@pytest.fixture
def named(s3: FakeS3, monkeypatch: pytest.MonkeyPatch, made: Path) -> str:
    """Weights that are in the bucket and named in the environment."""
    monkeypatch.setenv("SIMILARITY_WEIGHTS", made.name)
    s3.objects[weights_key(made.name)] = made.read_bytes()
    return made.name


def written(s3: FakeS3) -> list[dict[str, Any]]:
    return [json.loads(line) for line in s3.objects[KEY].splitlines()]


def test_every_answer_is_scored_by_every_measure(s3: FakeS3, named: str) -> None:
    scored = score_similarity(REQUEST, plenty)
    assert scored.weights_difference is not None
    assert scored.weights_difference < 1e-6
    assert scored == Similarity(
        similarity_prefix=FOLDER,
        shards=1,
        weights=named,
        weights_difference=scored.weights_difference,
        chrf_signature="nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no|version:2.6.0",
    )
    records = written(s3)
    assert [each["id"] for each in records] == [f"q-{i}" for i in range(QUESTIONS)]
    measures = {"precision", "recall", "f1", "rouge_l", "chrf", "length_ratio"}
    assert {side: {*records[0][side]} for side in ("base", "tuned")} == {
        "base": measures,
        "tuned": measures,
    }
    base, tuned = records[0]["base"], records[0]["tuned"]
    assert tuned["rouge_l"] == 2 * 6 / (7 + 8)
    assert all(base[name] < tuned[name] for name in ("f1", "rouge_l", "chrf"))
    assert base["length_ratio"] == pytest.approx(27 / 37, abs=1e-6)


def test_without_weights_the_rest_is_measured(s3: FakeS3) -> None:
    scored = score_similarity(REQUEST, plenty)
    assert scored.weights is None
    assert scored.problem
    assert "names no weights" in scored.problem
    assert {*written(s3)[0]["tuned"]} == {"rouge_l", "chrf", "length_ratio"}


def test_weights_that_are_not_there_are_named_with_what_to_do(s3: FakeS3, named: str) -> None:
    del s3.objects[weights_key(named)]
    scored = score_similarity(REQUEST, plenty)
    assert scored.problem == (
        f"s3://{BUCKET}/weights/{named}, which this environment names, is not there: make weights "
        "puts it there"
    )
    assert {*written(s3)[0]["tuned"]} == {"rouge_l", "chrf", "length_ratio"}


def test_weights_that_were_written_over_are_not_used(s3: FakeS3, named: str) -> None:
    s3.objects[weights_key(named)] += b"!"
    scored = score_similarity(REQUEST, plenty)
    assert (scored.weights, scored.done) == (None, True)
    assert scored.problem
    assert "not that of its name" in scored.problem
    assert "f1" not in written(s3)[0]["tuned"]


def test_a_pass_goes_on_where_the_one_before_it_stopped(
    s3: FakeS3, named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scoring, "_GROUP_TEXTS", 6)
    seconds = iter([900, 900, 10])
    first = score_similarity(REQUEST, lambda: next(seconds))
    assert (first.done, first.shards) == (False, 0)
    kept = {key: body for key, body in s3.objects.items() if key.startswith(f"{FOLDER}00000/")}
    assert len(kept) == 2
    assert KEY not in s3.objects

    monkeypatch.setattr(state, "load_weights", None)  # the process has them
    rest = iter([900])
    second = score_similarity(REQUEST, lambda: next(rest))
    assert (second.done, second.shards) == (True, 1)
    assert [each["id"] for each in written(s3)] == [f"q-{i}" for i in range(QUESTIONS)]
    assert kept.items() <= s3.objects.items()
    assert score_similarity(REQUEST, lambda: 0) == second, "nothing is left to do"
    assert named == second.weights


def test_what_is_no_answer_scores_nothing_and_a_failure_is_left_out(s3: FakeS3, named: str) -> None:
    del named
    filtered, failed = said("tuned"), said("base")
    filtered[1]["outcome"] = "filtered"
    failed[2] = {key: failed[2][key] for key in ("id", "question", "reference_answer")}
    failed[2]["error"] = "Throttled: slow down"
    s3.objects |= {answers_key("tuned"): lines(filtered), answers_key("base"): lines(failed)}
    score_similarity(REQUEST, plenty)
    records = {each["id"]: each for each in written(s3)}
    assert {*records["q-1"]["tuned"].values()} == {0}
    assert records["q-2"].keys() == {"id", "tuned"}


def test_of_very_many_questions_some_have_a_bertscore(
    s3: FakeS3, named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A multilingual BERT would outlast the run; one in `every` is evenly spread."""
    del named
    monkeypatch.setattr(scoring, "MOST_BERTSCORED", 4)
    monkeypatch.setattr(scoring, "_GROUP_TEXTS", 6)
    request = REQUEST.model_copy(
        update={
            "tuned_answers": answers("tuned", answered=6),
            "base_answers": answers("base", answered=6),
        }
    )
    assert score_similarity(request, plenty).bertscored_every == 3
    have = ["f1" in each["tuned"] and "f1" in each["base"] for each in written(s3)]
    assert have == [True, False, False, True, False, False]
    assert all("rouge_l" in each["tuned"] for each in written(s3))


def result(id_: str) -> dict[str, Any]:
    return {"id": id_, "base": {"score": 1}, "tuned": {"score": 2}}


def test_means_are_of_questions_that_both_sides_have() -> None:
    scored = [
        {"id": "a", "base": {"f1": 0.2, "chrf": 10}, "tuned": {"f1": 0.6, "chrf": 30}},
        {"id": "b", "base": {"f1": 0.4, "chrf": 20}, "tuned": {"f1": 0.7, "chrf": 50}},
        {"id": "c", "tuned": {"f1": 0.9, "chrf": 90}},
    ]
    scored += [{"id": "e", "base": {"chrf": 30}, "tuned": {"chrf": 10}}]
    scored += [{"id": "g", "base": {"f1": 1, "chrf": 99}, "tuned": {"f1": 1, "chrf": 99}}]
    results = [*map(result, "abcde"), {**result("g"), "general": True}]
    joined = [*with_similarity(results, scored)]
    assert joined[0]["tuned"] == {"score": 2, "similarity": {"f1": 0.6, "chrf": 30}}
    assert joined[3] == result("d")
    means = mean_similarity(joined)
    assert means
    assert means.questions == 3
    assert means.base == pytest.approx({"f1": 0.3, "chrf": 20})
    assert means.tuned == pytest.approx({"f1": 0.65, "chrf": 30})
    assert mean_similarity(joined[2:4]) is None


def test_other_models_are_compared_by_the_same_questions() -> None:
    scores = {"f1": 0.5, "chrf": 10}
    scored = [
        {"id": "a", "base": scores, "tuned": scores, "nova-pro": {"f1": 0.9, "chrf": 50}},
        {"id": "b", "base": scores, "tuned": scores},
        {"id": "c", "base": scores, "nova-pro": {"f1": 0.1, "chrf": 0}},
    ]
    others = {"nova-pro": {"score": 3}, "few-shot": {"error": "Throttled"}}
    joined = [*with_similarity([{**result(id_), "others": others} for id_ in "abc"], scored)]
    assert joined[0]["others"] == {
        "nova-pro": {"score": 3, "similarity": {"f1": 0.9, "chrf": 50}},
        "few-shot": {"error": "Throttled"},
    }
    means = mean_similarity(joined)
    assert means
    assert means.questions == 2
    assert means.others == {"nova-pro": {"f1": 0.9, "chrf": 50}, "few-shot": {}}
