"""The LLM judge of *Judge answers*: what it is asked, and the record of what it said."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import count
from math import inf

from lambdas.domain.errors import JudgementsFailed
from lambdas.domain.evaluation.answers import NO_ANSWER
from lambdas.domain.evaluation.attempts import Pass, Question, assess
from lambdas.domain.evaluation.preferences import Preferred, prefer
from lambdas.domain.evaluation.prompt_files import Language, correctness, preference
from lambdas.domain.evaluation.records import Record, RecordFile, failure_summary, too_many
from lambdas.domain.evaluation.results import SIDES, AnswersOfShard, results_of, score_pairs
from lambdas.domain.evaluation.rubrics import MAX_TOKENS, Choice, Rubric, Tool, ToolCall, fenced
from lambdas.domain.evaluation.shards import COUNTED, Shards, Tally, tokens_of
from lambdas.domain.run.contracts import Judgements, Run

_JUDGE_ERROR = "judge_error"  # in place of a score

Judge = Callable[[Tool, str], ToolCall]  # of a message; the model is settled


@dataclass(frozen=True)
class JudgedAnswer:
    """One answer to be judged; the judge never learns which side it is of."""

    id: str
    side: str
    question: str
    reference_answer: str
    answer: str
    history: str = ""  # what was said before the question

    @property
    def message(self) -> str:
        """The judge's user message."""
        names = ("history", "question", "reference_answer", "answer")
        return fenced({name: text for name in names if (text := getattr(self, name))})


def score_answers(  # noqa: PLR0913  # keyword-only from `answers` on
    run: Run,
    answered: Mapping[str, int],
    *,
    answers: Callable[[int], AnswersOfShard],
    shards: Shards,
    judge: Judge,
    language: Language,
    may_begin: Callable[[], bool],
) -> Judgements:
    """Score every answer that has no score in `shards` yet, and compare both, as time allows.

    Parameters
    ----------
    answered
        How many questions each side has answered.
    answers
        Returns those of a shard; of one behind the last, none.
    language
        Of what the judge is told.

    Raises
    ------
    JudgementsFailed
        More scores of base or tuned failed than `max_failed_answers_percent`, or a whole pass
        brought nothing. Scores of other models may fail.
    """
    finished = shards.tallies()
    tools = _Tools(judge, correctness(language), preference(language))
    judging = _Judging(run, answered, shards, tools, may_begin, sum(finished, Tally()))
    done = judging.go_on(answers, len(finished))
    if not done and not judging.moved:
        raise JudgementsFailed(
            f"judging with {run.settings.judge_model}: {judging.tally['judged']} of "
            f"{max(answered.values())} questions are judged, and a whole pass added nothing: "
            f"{judging.because}. What is judged is kept in {shards.uri}"
        )
    return Judgements(
        **{name: judging.tally[name] for name in ("judged", "failed", *COUNTED)},
        judgements_prefix=shards.prefix,
        prompts=(tools.correctness.name, tools.preference.name),
        done=done,
    )


@dataclass(frozen=True)
class _Tools:
    """The judge, and what it is told."""

    judge: Judge
    correctness: Rubric
    preference: Choice


@dataclass
class _Judging:
    """One pass over the shards."""

    run: Run
    answered: Mapping[str, int]
    shards: Shards
    tools: _Tools
    may_begin: Callable[[], bool]
    tally: Tally
    moved: bool = False
    because: str = "no time was left to begin"

    def go_on(self, answers: Callable[[int], AnswersOfShard], finished: int) -> bool:
        """Judge shard by shard; whether all of them are finished."""
        for shard in count(finished):
            found = answers(shard)
            if not any(found.values()):
                break
            if not self._finish(shard, found):
                return False
        return True

    def _finish(self, shard: int, found: AnswersOfShard) -> bool:
        file = self.shards.file(shard)
        scores, scored = self._score(file, [*_answers(found, SIDES)], self._most_failures)
        preferred = prefer(
            results_of(found, []) if scored else [],
            file=file,
            tool=self.tools.preference,
            call=partial(self.tools.judge, self.tools.preference),
            may_begin=self.may_begin,
        )
        self.moved |= preferred.moved
        others = [name for name in found if name not in SIDES] if scored else []
        all_scored = True
        if others:
            # Without a limit: base and tuned have shown that this judge can be asked.
            of_others, all_scored = self._score(file, [*_answers(found, others)], inf)
            scores |= of_others
            all_scored |= not self.moved  # a whole pass for nothing: the verdict needs none of them
        records = [*_records(scores, preferred, others)]
        file.write(records)
        tally = _tally(results_of(found, records), scores, preferred)
        self.tally += tally
        self._check(scores, file)
        if not (scored and preferred.done and all_scored):
            return False
        self.shards.finish(shard, tally)
        self.moved = True
        return True

    @property
    def _most_failures(self) -> float:
        """How many more scores of base and tuned may fail, counted together."""
        total = sum(self.answered[side] for side in SIDES)
        failures = sum(self.tally[_failed(side)] for side in SIDES)
        return self.run.settings.max_failed_answers_percent * total / 100 - failures

    def _score(
        self, file: RecordFile, answers: list[JudgedAnswer], most_failures: float
    ) -> tuple[dict[tuple[str, str], Record], bool]:
        """Return what is settled by question and side, and whether that is all."""
        asking = Pass(file, self.may_begin, _JUDGE_ERROR, most_failures)
        questions = [_question(self.tools, answer) for answer in answers]
        entries = zip(answers, questions, asking.ask(questions), strict=True)
        settled = {
            (answer.id, answer.side): entry.record(question)
            for answer, question, entry in entries
            if entry.settled
        }
        self.moved |= asking.moved
        self.because = asking.because
        return settled, len(settled) == len(answers)

    def _check(self, scores: Mapping[tuple[str, str], Record], file: RecordFile) -> None:
        settings = self.run.settings
        for side in SIDES:
            failed, total = self.tally[_failed(side)], self.answered[side]
            if failed and too_many(failed, total, settings.max_failed_answers_percent):
                errors = [
                    each[_JUDGE_ERROR]
                    for (_, of), each in scores.items()
                    if of == side and _JUDGE_ERROR in each
                ]
                raise JudgementsFailed(
                    f"judging the {side} model's answers with {settings.judge_model}: "
                    f"{failure_summary(failed, total, errors)}. At most max_failed_answers_percent "
                    f"= {settings.max_failed_answers_percent:g} may fail; every error is in "
                    f"{file.uri}. The answers are kept: fix the cause or choose another judge_model"
                )


def _answers(found: AnswersOfShard, sides: Iterable[str]) -> Iterator[JudgedAnswer]:
    """Yield the answers that there are; what is no answer needs no judge, see `results_of`."""
    for side in sides:
        for record in found[side]:
            if "answer" in record and record["outcome"] not in NO_ANSWER:
                yield JudgedAnswer(
                    record["id"],
                    side,
                    record["question"],
                    record["reference_answer"],
                    record["answer"],
                    record.get("history", ""),
                )


def _question(tools: _Tools, answer: JudgedAnswer) -> Question:
    tool, call = tools.correctness, partial(tools.judge, tools.correctness)
    return Question(
        name=f"{answer.side} {answer.id}",
        about=asdict(answer) | {"prompt": tool.name},
        send=partial(assess, tool, call, answer.message, _JUDGE_ERROR),
        most_input_tokens=tool.most_input_tokens(answer.message),
        most_output_tokens=MAX_TOKENS,
    )


def _records(
    scores: Mapping[tuple[str, str], Record], preferred: Preferred, others: Sequence[str]
) -> Iterator[Record]:
    """Yield what is judged by question: {"id", "base", "tuned", "preferences", "others"}.

    The preferences are by which side's answer came first, the others by their keys.
    """
    for id_ in dict.fromkeys(id_ for id_, _ in [*scores, *preferred.records]):
        of_sides = {side: scores[id_, side] for side in SIDES if (id_, side) in scores}
        of_others = {name: scores[id_, name] for name in others if (id_, name) in scores}
        found = {side: preferred.records.get((id_, side)) for side in SIDES}
        yield (
            {"id": id_, **of_sides}
            | ({"preferences": found} if any(found.values()) else {})
            | ({"others": of_others} if of_others else {})
        )


def _tally(
    results: list[Record], scores: Mapping[tuple[str, str], Record], preferred: Preferred
) -> Tally:
    judged = len([*score_pairs(results)])
    failed = Tally(_failed(side) for (_, side), each in scores.items() if _JUDGE_ERROR in each)
    tokens = tokens_of([*scores.values(), *preferred.records.values()])
    return Tally(judged=judged, failed=len(results) - judged) + failed + tokens


def _failed(side: str) -> str:
    """Return what failed judgements of a side are counted as."""
    return f"failed {side}"
