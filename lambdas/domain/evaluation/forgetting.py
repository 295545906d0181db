"""What tuning made the model forget: the same comparison, over questions on anything else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lambdas.domain.evaluation.metrics import ExactMatch, Judged, Metric
from lambdas.domain.evaluation.records import Record
from lambdas.domain.evaluation.results import general_id
from lambdas.domain.evaluation.verdict import compare, rules_of, scores_of
from lambdas.domain.run.contracts import Forgetting, Run

_FORGETS = "But it has forgotten: its answers to general questions got worse."
_MAY_FORGET = (
    "But it may have forgotten: its answers to general questions score less, though so few "
    "questions do not show it."
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
    counted, outcome, _ = compare(by, clean, rules)
    drops = bool(counted.questions) and counted.difference <= -rules.margin
    reach = counted.interval
    return Forgetting(
        metric=by.name,
        outcome=outcome,
        sentence=_FORGETS if outcome == "worse" else _MAY_FORGET if drops else "",
        reason=f"{scores_of(counted, 'general questions')}.",
        questions=counted.questions,
        set_aside=len(results) - len(clean),
        missing=len(clean) - counted.questions,
        difference=counted.difference if counted.questions else None,
        low=reach and reach.low,
        high=reach and reach.high,
    )
