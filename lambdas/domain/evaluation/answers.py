"""The evaluation questions put to a model, and the record of each answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Protocol

from lambdas.domain.errors import AnswersFailed
from lambdas.domain.evaluation.records import (
    RECORDED_ERRORS,
    Record,
    RecordFile,
    error_text,
    failure_summary,
    too_many,
)
from lambdas.domain.parallel import in_batches
from lambdas.domain.run.contracts import Answers, Dataset, Run
from lambdas.validation.formats.conversation import EvaluationExample


@dataclass(frozen=True)
class Reply:
    """What a model said, and its tokens."""

    text: str
    stop_reason: str
    input_tokens: int
    output_tokens: int


class Ask(Protocol):
    """Puts one question to a model."""

    def __call__(self, question: str, *, system: str | None, max_tokens: int) -> Reply: ...


def answer_questions(
    run: Run, dataset: Dataset, lines: Iterable[Mapping[str, Any]], file: RecordFile, ask: Ask
) -> Answers:
    """Ask every evaluation question that has no answer in `file` yet.

    Raises
    ------
    AnswersFailed
        More failed than `max_failed_answers_percent`; the file holds each failure's reason.
    """
    examples = [_example(line) for line in lines]
    records = _kept(examples, file.read())
    missing = [example for example in examples if example.id not in records]
    for batch in in_batches(partial(_answer, run, dataset, ask), missing):
        records |= {example.id: record for example, record in batch.items()}
        file.write(_ordered(examples, records))
        failed = sum("error" in record for record in records.values())
        if too_many(failed, len(examples), run.settings.max_failed_answers_percent):
            break  # already lost: the rest would only cost time and tokens
    return _result(run, _ordered(examples, records), file)


def _kept(examples: Iterable[EvaluationExample], earlier: Iterable[Record]) -> dict[str, Record]:
    """Return by id the earlier answers that still fit; failures are asked again."""
    by_id = {record["id"]: record for record in earlier if "answer" in record}
    return {
        example.id: by_id[example.id]
        for example in examples
        if example.id in by_id and by_id[example.id].items() >= asdict(example).items()
    }


def _answer(run: Run, dataset: Dataset, ask: Ask, example: EvaluationExample) -> Record:
    """Record an answer; one that ran into the token limit is marked, an empty one is a failure."""
    try:
        reply = ask(
            example.question,
            system=dataset.system_prompt,
            max_tokens=run.settings.max_answer_tokens,
        )
    except RECORDED_ERRORS as error:
        return asdict(example) | {"error": error_text(error)}
    if not reply.text.strip():
        problem = f"no text in the answer (stop reason {reply.stop_reason})"
        return asdict(example) | {"error": problem}
    record = asdict(example) | {
        "answer": reply.text,
        "input_tokens": reply.input_tokens,
        "output_tokens": reply.output_tokens,
    }
    return record | {"truncated": True} if reply.stop_reason == "max_tokens" else record


def _ordered(examples: Sequence[EvaluationExample], records: dict[str, Record]) -> list[Record]:
    return [records[example.id] for example in examples if example.id in records]


def _result(run: Run, records: list[Record], file: RecordFile) -> Answers:
    errors = [record["error"] for record in records if "error" in record]
    most_percent = run.settings.max_failed_answers_percent
    if too_many(len(errors), len(records), most_percent):
        raise AnswersFailed(
            f"asking the evaluation questions: {failure_summary(errors, len(records))}. At most "
            f"max_failed_answers_percent = {most_percent:g} may; every error is in {file.uri}"
        )
    return Answers(
        answered=len(records) - len(errors),
        failed=len(errors),
        input_tokens=sum(record.get("input_tokens", 0) for record in records),
        output_tokens=sum(record.get("output_tokens", 0) for record in records),
        answers_key=file.key,
    )


def _example(line: Mapping[str, Any]) -> EvaluationExample:
    """Read a line of the evaluation file, which *Validate dataset* has passed."""
    return EvaluationExample(
        str(line["id"]), line["question"], line["reference_answer"], line.get("topic")
    )
