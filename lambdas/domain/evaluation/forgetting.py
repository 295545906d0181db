"""What tuning made the model forget: the same comparison, over questions on anything else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lambdas.domain.evaluation.metrics import ExactMatch, Judged, Metric
from lambdas.domain.evaluation.records import Record
from lambdas.domain.evaluation.verdict import Comparison, compare, rules_of, scores_of
from lambdas.domain.run.contracts import Forgetting, Outcome, Run
from lambdas.validation.formats.conversation import general_id

_FORGETS = "It has forgotten: its answers to general questions got worse."
_MAY_FORGET = "It may have forgotten: its answers to general questions score less, unproven."
_CANNOT_TELL = "It may have forgotten: too many answers to general questions are missing to tell."
_SAYS_NOTHING = (
    "Neither model gives a reference answer verbatim, so exact match cannot show what was "
    "forgotten: the metric judge can"
)


def forgetting_of(
    run: Run, results: Sequence[Record], set_aside: Iterable[str], metric: Metric
) -> Forgetting | None:
    """Compare both models over the general questions; None where there are none.

    The judge scores them, if the run's metric asks it; else an answer is right if it is the
    reference. `set_aside` has their ids as the dataset has them.
    """
    aside = {*map(general_id, set_aside)}
    clean = [each for each in results if each["id"] not in aside]
    if not results:
        return None
    by = metric if isinstance(metric, Judged) else ExactMatch()
    rules = rules_of(run, type(by))
    counted, outcome, cautious = compare(by, clean, rules)
    missing = len(clean) - counted.questions
    is_mute = not isinstance(by, Judged) and counted.pairs and not any(map(any, counted.pairs))
    reach = counted.interval
    return Forgetting(
        metric=by.name,
        outcome=outcome,
        sentence=_sentence(counted, outcome, cautious),
        reason=f"{_SAYS_NOTHING if is_mute else scores_of(counted, 'general questions')}."
        f"{_left_out(missing, len(results) - len(clean))}",
        questions=counted.questions,
        set_aside=len(results) - len(clean),
        missing=missing,
        difference=counted.difference if counted.questions else None,
        low=reach and reach.low,
        high=reach and reach.high,
    )


def _sentence(counted: Comparison, outcome: Outcome, cautious: Comparison) -> str:
    if outcome == "worse":
        return _FORGETS
    if counted.questions and counted.difference <= -counted.rules.margin:
        return _MAY_FORGET
    return _CANNOT_TELL if cautious.outcome == "worse" else ""


def _left_out(missing: int, set_aside: int) -> str:
    """Say what is not among the figures."""
    counts = {"lack a score": missing, "are set aside": set_aside}
    return "".join(f" {count} more {what}." for what, count in counts.items() if count)
