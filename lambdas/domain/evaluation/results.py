"""What is known of each question: every model's answer, its score, and which is preferred."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from statistics import fmean

from lambdas.domain.evaluation.answers import ABOUT, NO_ANSWER
from lambdas.domain.evaluation.records import Record
from lambdas.domain.evaluation.rubrics import LOWEST_SCORE

SIDES = ("base", "tuned")
AnswersOfShard = Mapping[str, list[Record]]  # the records of a shard's answers, by side


def results_of(answers: AnswersOfShard, judgements: Iterable[Record]) -> list[Record]:
    """Merge by question: {"id", "question", "reference_answer", "topic", "base", "tuned"}.

    One with earlier turns has them as its "history", and one that is judged its "preferences".
    Each side holds its answer with "score" and "reason" or "judge_error", or the "error" for which
    there is no answer. A question that only one side knows gets an error on the other.
    """
    judged = {each["id"]: each for each in judgements}
    by_id = {side: {each["id"]: each for each in answers[side]} for side in SIDES}
    known = by_id["base"] | by_id["tuned"]
    return [
        {key: about.get(key) for key in ABOUT}
        | {name: about[name] for name in ("history",) if name in about}
        | {side: _side(by_id[side].get(id_), judged.get(id_, {}).get(side)) for side in SIDES}
        | {name: judged[id_][name] for name in ("preferences",) if name in judged.get(id_, {})}
        for id_, about in known.items()
    ]


def _side(answer: Record | None, judged: Record | None) -> Record:
    if answer is None:
        return {"error": "there is no record of this question"}
    if "error" in answer:
        return {"error": answer["error"]}
    said = {"answer": answer["answer"], "outcome": answer["outcome"]}
    if answer["outcome"] in NO_ANSWER:
        return {**said, "score": LOWEST_SCORE, "reason": f"{answer['outcome']}: no answer"}
    return {**said, **(judged or {})}  # else not judged yet


def score_pairs(results: Iterable[Record]) -> Iterator[tuple[int, int]]:
    """Yield (base, tuned) of the questions that have both scores."""
    for each in results:
        base, tuned = each["base"], each["tuned"]
        if "score" in base and "score" in tuned:
            yield base["score"], tuned["score"]


def score_difference(result: Record) -> int | None:
    """Return by how much the tuned answer scores more; None where one has no score."""
    return next((tuned - base for base, tuned in score_pairs([result])), None)


def without_texts(result: Record) -> Record:
    """Return what a verdict needs of a result: so many fit into a function's memory."""
    about = {key: result[key] for key in ("id", "topic", "preferences") if key in result}
    return about | {side: _without_texts(result[side]) for side in SIDES}


def _without_texts(said: Record) -> Record:
    return {key: said[key] for key in ("outcome", "score") if key in said}


@dataclass(frozen=True)
class TopicScores:
    """Mean scores of a topic's questions that have both."""

    name: str
    questions: int
    base: float
    tuned: float


def topics_of(results: Iterable[Record]) -> list[TopicScores]:
    """Return the topics by name; none where no question has one."""
    scores: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
    for each in results:
        if each["topic"]:
            scores[each["topic"]] += score_pairs([each])
    return [
        TopicScores(name, len(pairs), fmean(b for b, _ in pairs), fmean(t for _, t in pairs))
        for name, pairs in sorted(scores.items())
        if pairs
    ]
