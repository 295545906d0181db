"""What became of a case, and which rules it broke."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from local.call_faults import Call
from local.fault_matrix.cases import Case

PASSES = 2  # of the reaper, after which nothing of a failed or stopped run may be left
PASS_MINUTES = 15  # from one to the next
_SHORT = {"SUCCEEDED": "recovered", "FAILED": "failed", "ABORTED": "stopped", "GONE": "gone"}
_ENDS = {*_SHORT, "TIMED_OUT"}


@dataclass(frozen=True)
class Deployment:
    """A deployment that a case created."""

    minutes: float  # until its end, or so far
    minutes_after_release_by: float  # at its end, or now
    of_success: bool  # of a run that succeeded, so that it may be kept
    is_there: bool

    def breaches(self, *, is_kept: bool) -> Iterator[str]:
        """Yield how it broke the promise to a run that succeeded: it is there until its time."""
        if not self.of_success:
            return
        early = not self.is_there and self.minutes_after_release_by < 0
        if is_kept and early:
            yield f"not kept: gone {-self.minutes_after_release_by:.0f} min before its release-by"
        if self.minutes_after_release_by > PASSES * PASS_MINUTES + 1:
            yield f"kept for {self.minutes_after_release_by:.0f} min after its release-by"


@dataclass
class CaseResult:
    """What was found after a case."""

    case: Case
    statuses: list[str] = field(default_factory=list)
    causes: list[str] = field(default_factory=list)
    hosting_left: int = 0  # throughputs and deployments, but for those that are kept
    jobs_running: int = 0
    passes: int = 0  # of the reaper, until nothing was left
    purchases: int = 0
    deployments: list[Deployment] = field(default_factory=list)
    jobs: int = 0
    fired: int = 0
    interfered: bool = False
    metered_minutes: float = 0.0
    calls: list[Call] = field(default_factory=list)
    breaches: list[str] = field(default_factory=list)

    @property
    def outcome(self) -> str:
        return ", ".join(_SHORT.get(status, status) for status in self.statuses)

    @property
    def recovered(self) -> bool:
        return set(self.statuses) == {"SUCCEEDED"}

    @property
    def hosted_again(self) -> bool:
        """Whether it bought or created more than its executions may, each of its kind."""
        case = self.case
        return self.purchases > case.throughputs or len(self.deployments) > case.deployments

    @property
    def trained_again(self) -> bool:
        return self.jobs > self.case.executions

    @property
    def throughput_minutes(self) -> float:
        """On the meter, of one throughput."""
        return self.metered_minutes / max(self.case.throughputs, 1)

    @property
    def deployment_minutes(self) -> float:
        """How long a deployment of a failed or stopped run was there."""
        return max((each.minutes for each in self.deployments if not each.of_success), default=0)

    def judge(self) -> None:
        """Note every rule that the case broke."""
        case = self.case
        hosted = f"bought {self.purchases} times, deployed {len(self.deployments)} times"
        rules = {
            f"{self.hosting_left} throughputs or deployments left": self.hosting_left == 0,
            f"{self.jobs_running} jobs running": self.jobs_running == 0,
            f"left for {self.passes} passes": case.time_decides or self.passes <= PASSES,
            hosted: not self.hosted_again,
            f"started {self.jobs} jobs": not self.trained_again,
            "never happened": self._happened(),
            f"ended as {self.statuses}": all(status in _ENDS for status in self.statuses),
        }
        self.breaches = [what for what, kept in rules.items() if not kept]
        for each in self.deployments:
            self.breaches += each.breaches(is_kept=case.course != "unkept")
        for status, cause in zip(self.statuses, self.causes, strict=True):
            named = not case.expected or any(text in cause for text in case.expected)
            if status == "FAILED" and not named:
                self.breaches.append(f"the cause does not name what happened: {cause[:300]}")

    def _happened(self) -> bool:
        case = self.case
        interferes = case.stop_at or case.delete_at or case.broken_definition_at
        return bool((not case.faults or self.fired) and (not interferes or self.interfered))
