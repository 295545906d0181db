"""What is known of each question: every model's answer, its score, and which is preferred."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from lambdas.domain.evaluation.answers import ABOUT, NO_ANSWER
from lambdas.domain.evaluation.records import Record
from lambdas.domain.evaluation.rubrics import LOWEST_SCORE
from lambdas.domain.evaluation.shards import COUNTED
from lambdas.validation.formats.conversation import general_id

SIDES = ("base", "tuned")
# What a side holds of its answer, by its name there; tokens of its own are the judge's.
_SAID = {
    "answer": "answer",
    "outcome": "outcome",
    "latency_ms": "latency_ms",
    "input_tokens": "asked_tokens",
    "output_tokens": "said_tokens",
}
_TEXTS = ("answer", "reason", "error", "judge_error", *COUNTED)
_ABOUT_SOME = ("history", "general")  # what is kept of those questions that have it
AnswersOfShard = Mapping[str, list[Record]]  # the records of a shard's answers, by side


def results_of(answers: AnswersOfShard, judgements: Iterable[Record]) -> list[Record]:
    """Merge by question: {"id", "question", "reference_answer", "topic", "base", "tuned"}.

    One with earlier turns has them as its "history", one that is "general" says so, one of which a
    judge said which answer is better has its "preferences", and where other models answered too,
    "others" has each by its key, as a side. Each side holds its answer with "score" and "reason" or
    "judge_error", or the "error" for which there is no answer. A question that only one side knows
    gets an error on the other.
    """
    judged = {each["id"]: each for each in judgements}
    by_id = {side: {each["id"]: each for each in records} for side, records in answers.items()}
    others = [name for name in by_id if name not in SIDES]
    known = by_id["base"] | by_id["tuned"]
    return [
        {key: about.get(key) for key in ABOUT}
        | {name: about[name] for name in _ABOUT_SOME if name in about}
        | {side: _side(by_id[side].get(id_), judged.get(id_, {}).get(side)) for side in SIDES}
        | {name: judged[id_][name] for name in ("preferences",) if name in judged.get(id_, {})}
        | _others(
            # None of them is asked what is general.
            {name: by_id[name].get(id_) for name in others if not about.get("general")},
            judged.get(id_, {}),
        )
        for id_, about in known.items()
    ]


def as_general(line: Mapping[str, Any]) -> Record:
    """Mark a line of a dataset's general questions; its id is then none of the others'."""
    return {**line, "id": general_id(line["id"]), "general": True}


def _others(answers: Mapping[str, Record | None], judged: Record) -> Record:
    scores = judged.get("others", {})
    found = {name: _side(answer, scores.get(name)) for name, answer in answers.items()}
    return {"others": found} if found else {}


def said_by(name: str, result: Record) -> Record:
    """Return what a side, or another model by its key, holds in a result."""
    said: Record = result[name] if name in SIDES else result["others"][name]
    return said


def _side(answer: Record | None, judged: Record | None) -> Record:
    if answer is None:
        return {"error": "there is no record of this question"}
    if "error" in answer:
        return {"error": answer["error"]}
    said = {name: answer[key] for key, name in _SAID.items() if key in answer}
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
    about = _without(result, ("question", "reference_answer", "history", "others"))
    if "preferences" in about:
        found = about["preferences"].items()
        about["preferences"] = {side: _only(said, "better") for side, said in found}
    sides = {side: _without_texts(result[side]) for side in SIDES}
    others = {name: _without_texts(said) for name, said in result.get("others", {}).items()}
    return about | sides | ({"others": others} if others else {})


def _without_texts(said: Record) -> Record:
    length = {"characters": len(said["answer"])} if "answer" in said else {}
    return _without(said, _TEXTS) | length


def _only(said: Record | None, key: str) -> Record:
    return {key: said[key]} if said and key in said else {}


def _without(record: Record, texts: Sequence[str]) -> Record:
    return {key: value for key, value in record.items() if key not in texts}


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
