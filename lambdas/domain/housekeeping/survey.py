"""What an environment has on Bedrock, though some of it cannot be listed or read.

Each resource stands alone: what is wrong with one is a problem to report, and keeps no other from
being looked at or ended.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Protocol

from lambdas.domain.errors import TuningError
from lambdas.domain.housekeeping.tagged_resources import Kind, TaggedResource
from lambdas.domain.parallel import each_alone, in_parallel
from lambdas.domain.run.names import is_name_of
from lambdas.domain.run.tags import ENVIRONMENT

# What is left of a function's time: less, and nothing more of this is begun. A call that hangs
# takes up to a minute, and what was found has to be ended and told.
READ_SECONDS = 150
END_SECONDS = 100
# What bills by the hour first; a model cannot be deleted before what serves it.
KINDS: tuple[Kind, ...] = ("throughput", "deployment", "job", "custom-model")
_MOST_TOLD = 20


class Account(Protocol):
    """What an account has on Bedrock; each method raises the named errors of `lambdas.aws`."""

    def listed(self, kind: Kind) -> Iterator[TaggedResource]:
        """Yield all of a kind, without their tags."""

    def tags_of(self, arn: str) -> Mapping[str, str] | None:
        """Return a resource's tags; None if it is gone."""

    def end(self, resource: TaggedResource) -> None:
        """Delete it (a job: stop it); one that is gone is success."""


class Problem(NamedTuple):
    """What could not be handled, and why."""

    what: str
    error: Exception

    def __str__(self) -> str:
        return f"{self.what}: {self.error}"

    @property
    def passes(self) -> bool:
        """Whether it may pass by itself."""
        return not isinstance(self.error, TuningError)


@dataclass(frozen=True)
class Survey:
    """The environment's resources, and what could not be listed or read."""

    environment: str
    own: list[TaggedResource] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def look(
    account: Account,
    environment: str,
    *,
    kinds: Sequence[Kind] = KINDS,
    arns: Collection[str] | None = None,
    seconds_left: Callable[[], float],
) -> Survey:
    """List what is the environment's, by its tag or, where that is gone or unreadable, its name.

    Parameters
    ----------
    arns
        Only these; None: all.
    """
    survey = Survey(environment)
    found = [
        each
        for each in _listed(account, kinds, survey.problems)
        if arns is None or each.arn in arns
    ]
    # Should the time run out, what was not read is somebody else's.
    found.sort(key=lambda each: not is_name_of(environment, each.name))
    tags = each_alone(
        lambda each: account.tags_of(each.arn),
        found,
        may_begin=lambda: seconds_left() > READ_SECONDS,
    )
    for resource, answer in zip(found, tags, strict=True):
        if isinstance(answer, Exception):
            # What has neither a readable tag nor our name is not known to be ours.
            if is_name_of(environment, resource.name):
                survey.own.append(replace(resource, unreadable=str(answer)))
                survey.problems.append(Problem(resource.name, answer))
        elif answer is not None and _is_own(environment, resource.name, answer):
            survey.own.append(replace(resource, tags=answer))
    return survey


def _is_own(environment: str, name: str, tags: Mapping[str, str]) -> bool:
    owner = tags.get(ENVIRONMENT)
    return is_name_of(environment, name) if owner is None else owner == environment


def _listed(
    account: Account, kinds: Sequence[Kind], problems: list[Problem]
) -> Iterator[TaggedResource]:
    """Yield what can be listed, kind by kind, the oldest first: a page that fails ends its kind."""

    def read(kind: Kind) -> tuple[list[TaggedResource], Exception | None]:
        found: list[TaggedResource] = []
        try:
            found.extend(account.listed(kind))
        except Exception as error:  # noqa: BLE001  # the pages before it, and the other kinds, stand
            return found, error
        return found, None

    for kind, (found, error) in zip(kinds, in_parallel(read, kinds), strict=True):
        if error:
            problems.append(Problem(f"list of {kind}s", error))
        yield from sorted(found, key=lambda each: each.created_at)


def told(problems: Sequence[object]) -> str:
    """Return problems as one text that fits into a cause or a mail."""
    more = len(problems) - _MOST_TOLD
    rest = [f"and {more} more"] if more > 0 else []
    return "; ".join([*map(str, problems[:_MOST_TOLD]), *rest])
