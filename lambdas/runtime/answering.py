"""Putting the evaluation questions to a model: what both *Answer with …* states do."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lambdas.aws.artefacts import Artefacts
from lambdas.aws.converse import Runtime
from lambdas.domain.errors import AnswersFailed, RequestRefused, ServiceUnavailable, Throttled
from lambdas.domain.evaluation.answers import (
    Example,
    Record,
    answer_record,
    examples_of,
    failure_record,
    failure_summary,
    kept_answers,
    too_many,
    totals,
)
from lambdas.domain.parallel import in_batches
from lambdas.domain.run.contracts import Answers, Dataset, Run


def answer_questions(
    run: Run, dataset: Dataset, *, model_id: str, key: str, runtime: Runtime | None = None
) -> Answers:
    """Ask every evaluation question that has no answer under `key` yet.

    Raises
    ------
    AnswersFailed
        More failed than `max_failed_answers_percent`; the file holds each failure's reason.
    """
    artefacts = Artefacts(run.bucket)
    examples = examples_of(artefacts.iter_records(run.evaluation_key))
    records = kept_answers(examples, earlier_records(artefacts, key))
    ask = _asking(runtime or Runtime(), run, dataset, model_id)
    missing = [each for each in examples if each.id not in records]
    for batch in in_batches(ask, missing):
        records |= {example.id: record for example, record in batch.items()}
        artefacts.put_records(key, _ordered(examples, records))
        failed = totals(records.values())["failed"]
        if too_many(failed, len(examples), run.settings.max_failed_answers_percent):
            break  # already lost: the rest would only cost time and tokens
    return _result(run, _ordered(examples, records), key=key, uri=artefacts.uri(key))


def earlier_records(artefacts: Artefacts, key: str) -> list[Record]:
    """Return what an earlier try of the same state has left under `key`."""
    # Listed, not looked for: S3 hides the absence of a key from a role that may list some prefixes.
    return list(artefacts.iter_records(key)) if key in artefacts.list_keys(key) else []


def _asking(
    runtime: Runtime, run: Run, dataset: Dataset, model_id: str
) -> Callable[[Example], Record]:
    def ask(example: Example) -> Record:
        try:
            reply = runtime.ask(
                model_id,
                example.question,
                system=dataset.system_prompt,
                max_tokens=run.settings.max_answer_tokens,
            )
        except (Throttled, ServiceUnavailable, RequestRefused) as error:
            return failure_record(example, f"{type(error).__name__}: {error}")
        return answer_record(example, reply)

    return ask


def _ordered(examples: Sequence[Example], records: dict[str, Record]) -> list[Record]:
    return [records[each.id] for each in examples if each.id in records]


def _result(run: Run, records: list[Record], *, key: str, uri: str) -> Answers:
    counts, most_percent = totals(records), run.settings.max_failed_answers_percent
    if too_many(counts["failed"], len(records), most_percent):
        errors = [each["error"] for each in records if "error" in each]
        raise AnswersFailed(
            f"asking the evaluation questions: {failure_summary(errors, len(records))}. At most "
            f"max_failed_answers_percent = {most_percent:g} may; each failure stands in {uri}"
        )
    return Answers(**counts, answers_key=key)
