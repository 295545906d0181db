"""What became of a case, and which rules it broke."""

from __future__ import annotations

from dataclasses import dataclass, field

from local.call_faults import Call
from local.fault_matrix.cases import Case

_SHORT = {"SUCCEEDED": "recovered", "FAILED": "failed", "ABORTED": "stopped", "GONE": "gone"}
_ENDS = {*_SHORT, "TIMED_OUT"}


@dataclass
class CaseResult:
    """What was found after a case."""

    case: Case
    statuses: list[str] = field(default_factory=list)
    causes: list[str] = field(default_factory=list)
    throughputs_alive: int = 0
    jobs_running: int = 0
    purchases: int = 0
    deployments_created: int = 0
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
    def bought_again(self) -> bool:
        return self.purchases > self.case.executions

    @property
    def deployed_again(self) -> bool:
        return self.deployments_created > self.case.executions

    @property
    def trained_again(self) -> bool:
        return self.jobs > self.case.executions

    @property
    def minutes_per_execution(self) -> float:
        return self.metered_minutes / self.case.executions

    def judge(self) -> None:
        """Note every rule that the case broke."""
        case = self.case
        rules = {
            f"{self.throughputs_alive} throughputs alive": self.throughputs_alive == 0,
            f"{self.jobs_running} jobs running": self.jobs_running == 0,
            f"bought {self.purchases} times": not self.bought_again,
            f"deployed {self.deployments_created} times": not self.deployed_again,
            f"started {self.jobs} jobs": not self.trained_again,
            "never happened": self._happened(),
            f"ended as {self.statuses}": all(status in _ENDS for status in self.statuses),
        }
        self.breaches = [what for what, kept in rules.items() if not kept]
        for status, cause in zip(self.statuses, self.causes, strict=True):
            named = not case.expected or any(text in cause for text in case.expected)
            if status == "FAILED" and not named:
                self.breaches.append(f"the cause does not name what happened: {cause[:300]}")

    def _happened(self) -> bool:
        case = self.case
        interferes = case.stop_at or case.delete_at or case.broken_definition_at
        return bool((not case.faults or self.fired) and (not interferes or self.interfered))
