"""Whether the name of the execution can be the key of a run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lambdas.domain.run.contracts import Execution
from lambdas.domain.run.names import can_be_found_by


def name_problems(execution: Execution, taken: Sequence[str]) -> Iterable[str]:
    if not can_be_found_by(execution.name):
        yield (
            f"the name {execution.name!r} does not fit into the tag by which reaper and clean-up "
            "see that a run is under way: start a new execution, and leave its name to Step "
            "Functions or make it of A-Z a-z 0-9 . _ = + @ - only"
        )
    if taken:
        more = f" and {len(taken) - 1} more" if len(taken) > 1 else ""
        yield (
            f"the name {execution.name!r} was an earlier execution's, of which there is still "
            f"{taken[0]}{more}; a run takes over nobody's approval, job or answers: start a new "
            "execution, and leave its name to Step Functions or choose another"
        )
