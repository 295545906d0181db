"""Scores every answer against its reference, shard by shard, as far as time allows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count
from math import ceil

from lambdas.domain.evaluation.answers import NO_ANSWER
from lambdas.domain.evaluation.records import Record
from lambdas.domain.evaluation.results import AnswersOfShard
from lambdas.domain.evaluation.shards import SHARD_QUESTIONS, Shards, Tally
from lambdas.domain.evaluation.similarity.bertscore import BertScore
from lambdas.domain.evaluation.similarity.overlap import chrf, length_ratio, rouge_l

# Texts of questions that are kept together, references among them: a multilingual BERT takes 80 s
# for these at most, and an object a question would take longer to write than MiniLM to score it.
_GROUP_TEXTS = 75
# Answers, of questions evenly spread over all: hours of a multilingual BERT at most.
MOST_BERTSCORED = 10_000
_DIGITS = 6


@dataclass(frozen=True)
class Scoring:
    """One pass over the shards; without a scorer, there is no BERTScore, else of one in `every`."""

    shards: Shards
    scorer: BertScore | None
    every: int
    may_begin: Callable[[], bool]

    def go_on(self, answers: Callable[[int], AnswersOfShard]) -> int | None:
        """Score shard by shard; return how many there are, or None while some are not finished.

        `answers` returns those of a shard; of one behind the last, none.
        """
        for shard in count(len(self.shards.tallies())):
            found = answers(shard)
            if not any(found.values()):
                return shard
            if not self._finish(shard, found):
                return None
        raise AssertionError  # `count` does not end

    def _finish(self, shard: int, found: AnswersOfShard) -> bool:
        """Score the groups of a shard that have no scores yet; whether that was all."""
        file, questions = self.shards.file(shard), _questions(found)
        kept = {each["name"]: each["records"] for each in file.read()}
        size = max(1, _GROUP_TEXTS // (len(found) + 1))
        for start in range(0, len(questions), size):
            if (name := f"{start:05}") in kept:
                continue
            if not self.may_begin():
                return False
            group = enumerate(questions[start : start + size], shard * SHARD_QUESTIONS + start)
            kept[name] = [self._record(number, *each) for number, each in group]
            file.keep(name, {"name": name, "records": kept[name]})
        file.write(record for _, group in sorted(kept.items()) for record in group)
        self.shards.finish(shard, Tally(questions=len(questions)))
        return True

    def _record(self, number: int, id_: str, said: Mapping[str, Record]) -> Record:
        """Return {"id", side: scores}."""
        reference = next(iter(said.values()))["reference_answer"]
        texts = {side: _text(answer) for side, answer in said.items()}
        scores = {side: _by_surface(text, reference) for side, text in texts.items()}
        if self.scorer and number % self.every == 0:
            expected, *answers = self.scorer.embed(reference, *texts.values())
            for side, answer in zip(texts, answers, strict=True):
                scores[side] |= self.scorer.score(answer, expected)._asdict()
        return {"id": id_} | {side: _rounded(each) for side, each in scores.items()}


def bertscored_every(answers: int) -> int:
    """Return of one question in how many there is a BERTScore."""
    return max(1, ceil(answers / MOST_BERTSCORED))


def _by_surface(answer: str, reference: str) -> dict[str, float]:
    return {
        "rouge_l": rouge_l(answer, reference),
        "chrf": chrf(answer, reference),
        "length_ratio": length_ratio(answer, reference),
    }


def _rounded(scores: Mapping[str, float]) -> Record:
    return {name: round(score, _DIGITS) for name, score in scores.items()}


def _questions(found: AnswersOfShard) -> list[tuple[str, dict[str, Record]]]:
    """Return each question's answers by side, without those that failed."""
    by_question: dict[str, dict[str, Record]] = {}
    for side, records in found.items():
        for each in records:
            if "answer" in each:
                by_question.setdefault(each["id"], {})[side] = each
    return [*by_question.items()]


def _text(answer: Record) -> str:
    """Return what was said; what is no answer said nothing."""
    return "" if answer["outcome"] in NO_ANSWER else str(answer["answer"])
