"""Plays cases in forks, so that they share their beginnings and leave nothing behind."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from itertools import groupby
from operator import attrgetter

from local.clock import Hold
from local.fault_matrix import runner
from local.fault_matrix.cases import Case
from local.fault_matrix.results import CaseResult
from local.states.routines import Effect, Wait

Tell = Callable[[CaseResult], None]
_BEGINNING = attrgetter("course", "starts_apart")  # of cases that begin alike


def play(cases: Iterable[Case], target: runner.FaultTarget, tell: Tell) -> None:
    """Play cases and `tell` the result of each, in forks: this process stays as it is.

    Of cases that begin with the same course one execution plays the beginning, and each goes on
    from it where it may begin to differ.
    """
    for _, alike in groupby(sorted(cases, key=_BEGINNING), _BEGINNING):
        target.offline.branch(_Alike([*alike], target, tell).play)


class _Alike:
    """Cases that begin alike. The clock stands still as some may begin to differ."""

    def __init__(self, cases: list[Case], target: runner.FaultTarget, tell: Tell) -> None:
        self._cases, self._target, self._tell = cases, target, tell  # those that do not differ yet
        self._clock, self._executions = target.offline.clock, target.offline.executions
        self._differing: list[Case] = []
        self._hold: Hold | None = None

    def play(self) -> None:
        first = self._cases[0]
        if first.starts_apart:
            self._branch(self._cases, partial(runner.run_case, target=self._target))
            return
        runner.prepare(first, self._target)
        self._executions.watchers.append(self._pause)
        [arn] = runner.start(first, self._target)

        def finish(case: Case) -> CaseResult:
            self._cases.clear()
            return runner.finish(case, self._target, partial(self._go_on, arn))

        while self._cases:
            self._wait(arn)
            self._branch(self._differing, finish)
            if self._cases:  # or this process would end amid what goes on
                self._go_on(arn)

    def _pause(self, arn: str, state: str) -> Effect:
        def begin(wait: Wait) -> None:
            self._differing = [case for case in self._cases if case.differs_at(state)]
            if self._differing and arn.startswith(self._target.executions):
                self._hold = Hold(self._clock)
            wait.end_at(self._clock.time())

        return begin

    def _wait(self, arn: str) -> None:
        """Wait for a pause, or for the end of the execution, from which all differ."""

        def has_ended() -> bool:
            return runner.status_of(self._target, arn) != "RUNNING" and not self._clock.holds

        with self._clock.lock:
            self._clock.wait_until(lambda: bool(self._hold) or has_ended(), runner.REAL_SECONDS)
            if self._hold is None:
                self._hold, self._differing = Hold(self._clock), self._cases
        self._cases = [case for case in self._cases if case not in self._differing]

    def _go_on(self, arn: str) -> list[str]:
        if self._hold:
            self._hold.end()
            self._hold = None
        return [arn]

    def _branch(self, cases: Iterable[Case], play_on: Callable[[Case], CaseResult]) -> None:
        def act(case: Case) -> None:
            try:
                result = play_on(case)
            except Exception as error:  # noqa: BLE001  # a case that cannot be run is a breach
                result = CaseResult(case, breaches=[f"could not be run: {error!r}"])
            self._tell(result)

        self._target.offline.branch(*(partial(act, case) for case in cases))
