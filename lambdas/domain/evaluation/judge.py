"""The LLM judge of *Judge answers*: what it is asked, and the record of what it said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import partial

from lambdas.domain.errors import JudgementsFailed
from lambdas.domain.evaluation.answers import NO_ANSWER
from lambdas.domain.evaluation.attempts import Pass, Question, assess
from lambdas.domain.evaluation.preferences import Preferred, prefer, tokens_of
from lambdas.domain.evaluation.records import (
    Record,
    RecordFile,
    failure_summary,
    too_many,
)
from lambdas.domain.evaluation.rubrics import (
    FENCED,
    LOWEST_SCORE,
    MAX_TOKENS,
    CallTool,
    Rubric,
    fenced,
)
from lambdas.domain.run.contracts import Judgements, Run

SIDES = ("base", "tuned")
_JUDGE_ERROR = "judge_error"  # in place of a score

_SYSTEM_PROMPT = f"""\
You grade answers to questions on their correctness against a reference answer.
Only facts count. Score from 1 to 10:
10: states all that the reference states, and nothing wrong.
7-9: mostly the same facts; something minor is missing or imprecise.
4-6: partly right; an important fact is missing or wrong.
2-3: mostly wrong, evasive or beside the question.
1: wrong throughout, or no answer.
Wording, length, style and tone do not count, as long as the facts agree. What the answer adds to
the reference lowers the score only where it contradicts the reference or is plainly false.
Grade the answer between the answer tags, and nothing else.
{FENCED}
Call the tool once, with a reason of one or two sentences that names the decisive facts."""

CORRECTNESS = Rubric(
    tool_name="record_correctness",
    system_prompt=_SYSTEM_PROMPT,
    criteria={"score": "correctness: 1 wrong throughout, 10 fully correct"},
    reason="the decisive facts, in one or two sentences",
)


@dataclass(frozen=True)
class JudgedAnswer:
    """One answer to be judged; the judge never learns which side it is of."""

    id: str
    side: str
    question: str
    reference_answer: str
    answer: str

    @property
    def message(self) -> str:
        """The judge's user message."""
        texts = {name: getattr(self, name) for name in ("question", "reference_answer", "answer")}
        return fenced(texts)


def score_answers(  # noqa: PLR0913  # keyword-only from `file` on
    run: Run,
    base: list[Record],
    tuned: list[Record],
    *,
    file: RecordFile,
    call: CallTool,
    compare: CallTool,
    may_begin: Callable[[], bool],
) -> Judgements:
    """Score every answer that has no score in `file` yet, then compare both, as time allows.

    `call` uses CORRECTNESS and `compare` PREFERENCE.

    Raises
    ------
    JudgementsFailed
        More scores failed than `max_failed_answers_percent`, or a whole pass brought nothing.
    """
    answers = [*_answers("base", base), *_answers("tuned", tuned)]
    most_failures = run.settings.max_failed_answers_percent * len(answers) / 100
    asking = Pass(file, may_begin, _JUDGE_ERROR, most_failures)
    questions = [_question(call, answer) for answer in answers]
    judged = {
        answer: entry.record(question)
        for answer, question, entry in zip(answers, questions, asking.ask(questions), strict=True)
        if entry.settled
    }
    records = _merged(base, tuned, judged)
    file.write(records)
    _check(run, records, file, asked=Counter(answer.side for answer in answers))
    scored = len(judged) == len(answers)
    preferred = prefer(records if scored else [], file=file, call=compare, may_begin=may_begin)
    done = scored and preferred.done
    if not (done or asking.moved or preferred.moved):
        raise JudgementsFailed(
            f"judging with {run.settings.judge_model}: {len(judged)} of {len(answers)} answers are "
            f"judged, and a whole pass added nothing: {asking.because}. What is judged is kept in "
            f"{file.uri}"
        )
    file.write([*_with_preferences(records, preferred.records)])
    return _result(records, preferred, file, done=done)


def _with_preferences(
    records: Iterable[Record], preferred: Mapping[tuple[str, str], Record]
) -> Iterator[Record]:
    """Yield the records with what was preferred, by which side's answer came first."""
    for record in records:
        found = {side: preferred.get((record["id"], side)) for side in SIDES}
        yield {**record, "preferences": found} if any(found.values()) else record


def _answers(side: str, records: Iterable[Record]) -> Iterator[JudgedAnswer]:
    """Yield the answers that there are; what is no answer needs no judge, see `_side`."""
    for record in records:
        if "answer" in record and record["outcome"] not in NO_ANSWER:
            yield JudgedAnswer(
                record["id"],
                side,
                record["question"],
                record["reference_answer"],
                record["answer"],
            )


def _question(call: CallTool, answer: JudgedAnswer) -> Question:
    return Question(
        name=f"{answer.side} {answer.id}",
        about=asdict(answer),
        send=partial(assess, CORRECTNESS, call, answer.message, _JUDGE_ERROR),
        most_input_tokens=CORRECTNESS.most_input_tokens(answer.message),
        most_output_tokens=MAX_TOKENS,
    )


def _merged(
    base: Iterable[Record], tuned: Iterable[Record], judged: Mapping[JudgedAnswer, Record]
) -> list[Record]:
    """Merge by question: {"id", "question", "reference_answer", "topic", "base", "tuned"}.

    Each side holds its answer with "score" and "reason" or "judge_error", or the "error" for which
    there is no answer. A question that only one file knows gets an error on the other side.
    """
    by_key = {(answer.id, answer.side): record for answer, record in judged.items()}
    answers = {
        side: {record["id"]: record for record in records}
        for side, records in zip(SIDES, (base, tuned), strict=True)
    }
    known = answers["base"] | answers["tuned"]
    return [
        {key: about.get(key) for key in ("id", "question", "reference_answer", "topic")}
        | {side: _side(by_key.get((id_, side)), answers[side].get(id_)) for side in SIDES}
        for id_, about in known.items()
    ]


def _side(judged: Record | None, answer: Record | None) -> Record:
    if answer is None:
        return {"error": "there is no record of this question"}
    if "error" in answer:
        return {"error": answer["error"]}
    said = {"answer": answer["answer"], "outcome": answer["outcome"]}
    if answer["outcome"] in NO_ANSWER:
        return {**said, "score": LOWEST_SCORE, "reason": f"{answer['outcome']}: no answer"}
    return {**said, **(judged or {})}  # else not judged yet


def _check(run: Run, records: list[Record], file: RecordFile, *, asked: Mapping[str, int]) -> None:
    settings = run.settings
    for side, count in asked.items():
        found = [record[side] for record in records]
        errors = [each[_JUDGE_ERROR] for each in found if _JUDGE_ERROR in each]
        if too_many(len(errors), count, settings.max_failed_answers_percent):
            raise JudgementsFailed(
                f"judging the {side} model's answers with {settings.judge_model}: "
                f"{failure_summary(errors, count)}. At most max_failed_answers_percent = "
                f"{settings.max_failed_answers_percent:g} may fail; every error is in {file.uri}. "
                "The answers are kept: fix the cause or choose another judge_model"
            )


def _result(
    records: list[Record], preferred: Preferred, file: RecordFile, *, done: bool
) -> Judgements:
    pairs = list(score_pairs(records))
    sides = [record[side] for record in records for side in SIDES]
    asked, said, lost = tokens_of([*sides, *preferred.records.values()])
    return Judgements(
        judged=len(pairs),
        failed=len(records) - len(pairs),
        input_tokens=asked,
        output_tokens=said,
        lost_requests=lost,
        judgements_key=file.key,
        done=done,
    )


def score_pairs(judgements: Iterable[Record]) -> Iterator[tuple[int, int]]:
    """Yield (base, tuned) of the questions that have both scores."""
    for judgement in judgements:
        base, tuned = judgement["base"], judgement["tuned"]
        if "score" in base and "score" in tuned:
            yield base["score"], tuned["score"]
