"""The evaluation questions put to a model, and the record of each answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Literal, Protocol

from lambdas.domain.errors import AnswersFailed
from lambdas.domain.evaluation.attempts import Answered, Pass, Question
from lambdas.domain.evaluation.records import (
    Record,
    RecordFile,
    failure_summary,
    too_many,
)
from lambdas.domain.run.contracts import Answers, Dataset, Run
from lambdas.validation.formats.conversation import EvaluationExample
from lambdas.validation.formats.tokens import estimated_tokens

AnswerOutcome = Literal["answered", "cut off", "empty", "filtered", "malformed"]
NO_ANSWER: tuple[AnswerOutcome, ...] = ("empty", "filtered", "malformed")


@dataclass(frozen=True)
class Reply:
    """What a model said, and its tokens."""

    text: str
    stop_reason: str
    input_tokens: int
    output_tokens: int


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
    """Puts one question to a model."""

    def __call__(self, question: str, *, system: str | None, max_tokens: int) -> Reply: ...


def answer_questions(  # noqa: PLR0913  # keyword-only from `file` on
    run: Run,
    dataset: Dataset,
    lines: Iterable[Mapping[str, Any]],
    *,
    file: RecordFile,
    ask: Ask,
    may_begin: Callable[[], bool],
) -> Answers:
    """Ask every evaluation question that has no answer in `file` yet, as far as time allows.

    Raises
    ------
    AnswersFailed
        More failed than `max_failed_answers_percent`, or a whole pass brought nothing; the file
        holds each failure's reason.
    """
    questions = [_question(run, dataset, ask, _example(line)) for line in lines]
    most_failures = run.settings.max_failed_answers_percent * len(questions) / 100
    asking = Pass(file, may_begin, "error", most_failures)
    entries = asking.ask(questions)
    records = [
        entry.about | entry.record(question)
        for entry, question in zip(entries, questions, strict=True)
        if entry.settled
    ]
    _check(run, records, file, total=len(questions))
    done = len(records) == len(questions)
    if not done and not asking.moved:
        raise AnswersFailed(
            f"asking the evaluation questions: {len(records)} of {len(questions)} are settled, and "
            f"a whole pass added none: {asking.because}. What is answered is kept in {file.uri}"
        )
    return _answers(records, file, done=done)


def _question(run: Run, dataset: Dataset, ask: Ask, example: EvaluationExample) -> Question:
    settings = run.settings
    send = partial(_answer, ask, example, dataset.system_prompt, settings.max_answer_tokens)
    return Question(
        name=example.id,
        about=asdict(example),
        send=send,
        most_input_tokens=estimated_tokens((dataset.system_prompt or "", example.question)),
        most_output_tokens=settings.max_answer_tokens,
    )


def _answer(
    ask: Ask, example: EvaluationExample, system: str | None, max_tokens: int, _last: Record | None
) -> Answered:
    reply = ask(example.question, system=system, max_tokens=max_tokens)
    outcome: Record = {"answer": reply.text, "outcome": outcome_of(reply)}
    return Answered(outcome, reply.input_tokens, reply.output_tokens)


def outcome_of(reply: Reply) -> AnswerOutcome:
    """Say what became of an answer; all but the first two are no answer, whatever text there is."""
    if by_reason := _BY_STOP_REASON.get(reply.stop_reason):
        return by_reason
    if not reply.text.strip():
        return "empty"
    return "cut off" if reply.stop_reason in _CUT else "answered"


def _check(run: Run, records: list[Record], file: RecordFile, *, total: int) -> None:
    """Write what there is, and refuse it if too much of it failed."""
    file.write(records)
    errors = [record["error"] for record in records if "error" in record]
    most_percent = run.settings.max_failed_answers_percent
    if too_many(len(errors), total, most_percent):
        raise AnswersFailed(
            f"asking the evaluation questions: {failure_summary(errors, total)}. At most "
            f"max_failed_answers_percent = {most_percent:g} may; every error is in {file.uri}"
        )


def _answers(records: list[Record], file: RecordFile, *, done: bool) -> Answers:
    failed = sum("error" in record for record in records)
    return Answers(
        answered=len(records) - failed,
        failed=failed,
        input_tokens=sum(record.get("input_tokens", 0) for record in records),
        output_tokens=sum(record.get("output_tokens", 0) for record in records),
        lost_requests=sum(record.get("lost_requests", 0) for record in records),
        answers_key=file.key,
        done=done,
    )


def _example(line: Mapping[str, Any]) -> EvaluationExample:
    """Read a line of the evaluation file, which *Validate dataset* has passed."""
    return EvaluationExample(
        str(line["id"]), line["question"], line["reference_answer"], line.get("topic")
    )
