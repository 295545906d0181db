"""The evaluation questions put to a model, and the record of each answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, Protocol

from lambdas.domain.errors import AnswersFailed
from lambdas.domain.evaluation.attempts import Answered, Pass, Question
from lambdas.domain.evaluation.records import Record, RecordFile, failure_summary, too_many
from lambdas.domain.evaluation.shards import COUNTED, Shards, Tally, tokens_of, unfinished
from lambdas.domain.run.contracts import Answers, Dataset, Run
from lambdas.validation.formats.conversation import EvaluationExample, Turn
from lambdas.validation.formats.tokens import estimated_tokens

ABOUT = ("id", "question", "reference_answer", "topic")  # of an example, beside its history
AnswerOutcome = Literal["answered", "cut off", "empty", "filtered", "malformed"]
NO_ANSWER: tuple[AnswerOutcome, ...] = ("empty", "filtered", "malformed")


@dataclass(frozen=True)
class Reply:
    """What a model said, and its tokens."""

    text: str
    stop_reason: str
    input_tokens: int
    output_tokens: int
    latency_ms: int | None = None  # as Bedrock measured it; None: it did not say


# A reason that is not here ends an answer well: new ones come without notice.
_CUT = frozenset({"max_tokens", "model_context_window_exceeded"})
_BY_STOP_REASON: Mapping[str, AnswerOutcome] = {
    "content_filtered": "filtered",
    "guardrail_intervened": "filtered",
    "malformed_model_output": "malformed",
    "malformed_tool_use": "malformed",
    "tool_use": "malformed",  # of a model that was given no tool
}


class Ask(Protocol):
    """Puts one question to a model: the last of the turns."""

    def __call__(self, turns: Sequence[Turn], *, system: str | None, max_tokens: int) -> Reply: ...


def answer_questions(  # noqa: PLR0913  # keyword-only from `shards` on
    run: Run,
    dataset: Dataset,
    lines: Iterable[Mapping[str, Any]],
    *,
    shards: Shards,
    ask: Ask,
    may_begin: Callable[[], bool],
) -> Answers:
    """Ask every evaluation question that has no answer in `shards` yet, as far as time allows.

    Raises
    ------
    AnswersFailed
        More failed than `max_failed_answers_percent`, or a whole pass brought nothing; the files
        hold each failure's reason.
    """
    tallies = shards.tallies()
    asking = _Asking(
        run, dataset, shards, ask, may_begin, sum(tallies, Tally()), finished=len(tallies)
    )
    done = asking.go_on(lines)
    if not done and not asking.moved:
        settled = asking.tally["answered"] + asking.tally["failed"]
        raise AnswersFailed(
            f"asking the evaluation questions: {settled} of {dataset.evaluation_examples} are "
            f"settled, and a whole pass added none: {asking.because}. What is answered is kept in "
            f"{shards.uri}"
        )
    return _answers(asking.tally, shards, asking.finished, done=done)


@dataclass
class _Asking:
    """One pass over the shards."""

    run: Run
    dataset: Dataset
    shards: Shards
    ask: Ask
    may_begin: Callable[[], bool]
    tally: Tally
    finished: int
    moved: bool = False
    because: str = "no time was left to begin"

    def go_on(self, lines: Iterable[Mapping[str, Any]]) -> bool:
        """Ask shard by shard; whether all of them are finished."""
        shards = unfinished(lines, self.finished)
        return all(self._finish(shard, [*map(_example, found)]) for shard, found in shards)

    def _finish(self, shard: int, examples: list[EvaluationExample]) -> bool:
        file, total = self.shards.file(shard), self.dataset.evaluation_examples
        questions = [_question(self.run, self.dataset, self.ask, each) for each in examples]
        most_failures = self.run.settings.max_failed_answers_percent * total / 100
        asking = Pass(file, self.may_begin, "error", most_failures, self.tally["failed"])
        entries = zip(asking.ask(questions), questions, strict=True)
        records = [
            entry.about | entry.record(question) for entry, question in entries if entry.settled
        ]
        file.write(records)
        tally = _tally(records)
        self.tally += tally
        self.moved |= asking.moved
        self.because = asking.because
        _check(self.run, records, file, failed=self.tally["failed"], total=total)
        if len(records) < len(examples):
            return False
        self.shards.finish(shard, tally)
        self.finished += 1
        self.moved = True
        return True


def _question(run: Run, dataset: Dataset, ask: Ask, example: EvaluationExample) -> Question:
    settings = run.settings
    send = partial(_answer, ask, example, dataset.system_prompt, settings.max_answer_tokens)
    return Question(
        name=example.id,
        about=_about(example),
        send=send,
        most_input_tokens=estimated_tokens(
            (dataset.system_prompt or "", *(turn.text for turn in example.asked))
        ),
        most_output_tokens=settings.max_answer_tokens,
    )


def _answer(
    ask: Ask, example: EvaluationExample, system: str | None, max_tokens: int, _last: Record | None
) -> Answered:
    reply = ask(example.asked, system=system, max_tokens=max_tokens)
    outcome: Record = {
        "answer": reply.text,
        "outcome": outcome_of(reply),
        "latency_ms": reply.latency_ms,
    }
    return Answered(outcome, reply.input_tokens, reply.output_tokens)


def outcome_of(reply: Reply) -> AnswerOutcome:
    """Say what became of an answer; all but the first two are no answer, whatever text there is."""
    if by_reason := _BY_STOP_REASON.get(reply.stop_reason):
        return by_reason
    if not reply.text.strip():
        return "empty"
    return "cut off" if reply.stop_reason in _CUT else "answered"


def _check(run: Run, records: list[Record], file: RecordFile, *, failed: int, total: int) -> None:
    """Refuse answers of which too many failed."""
    most_percent = run.settings.max_failed_answers_percent
    if too_many(failed, total, most_percent):
        errors = [record["error"] for record in records if "error" in record]
        raise AnswersFailed(
            f"asking the evaluation questions: {failure_summary(failed, total, errors)}. At most "
            f"max_failed_answers_percent = {most_percent:g} may; every error is in {file.uri}"
        )


def _tally(records: list[Record]) -> Tally:
    failed = sum("error" in record for record in records)
    return Tally(answered=len(records) - failed, failed=failed) + tokens_of(records)


def _answers(tally: Tally, shards: Shards, finished: int, *, done: bool) -> Answers:
    return Answers(
        **{name: tally[name] for name in ("answered", "failed", *COUNTED)},
        answers_prefix=shards.prefix,
        shards=finished,
        done=done,
    )


def _example(line: Mapping[str, Any]) -> EvaluationExample:
    """Read a line of the evaluation file, which *Validate dataset* has passed."""
    return EvaluationExample(
        str(line["id"]),
        line["question"],
        line["reference_answer"],
        line.get("topic"),
        tuple(Turn(turn["role"], turn["content"]) for turn in line.get("history") or ()),
    )


def _about(example: EvaluationExample) -> Record:
    about = {name: getattr(example, name) for name in ABOUT}
    said = [f"{turn.role}: {turn.text}" for turn in example.history]
    return about | ({"history": "\n\n".join(said)} if said else {})
