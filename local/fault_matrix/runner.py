"""Injects the fault of a case into an execution, gives the guards their time, and looks around."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from itertools import cycle, islice
from typing import Any

import boto3

from lambdas.domain.run.names import ResourceNames, names_of
from lambdas.domain.run.tags import release_by_of
from local.bedrock import Scenario
from local.fault_matrix.cases import PROVISIONING_MINUTES, TRAINING_MINUTES, Case, Course
from local.fault_matrix.results import PASS_MINUTES, PASSES, CaseResult, Deployment
from local.rehearsal.deployment import unloadable
from local.server import OfflineAws
from operate.deployed import Deployed
from stacks.names import Names

REAL_SECONDS = 300.0  # of a machine on which much else runs
_MOST_PASSES = 40  # beyond the release-by of a deployment that is kept briefly
_POLL_SECONDS = 0.01


@dataclass(frozen=True)
class FaultTarget:
    """The deployed environment."""

    offline: OfflineAws
    deployed: Deployed

    @cached_property
    def states(self) -> Any:  # noqa: ANN401  # a boto3 client, which takes longer to make than a call
        return boto3.client("stepfunctions")

    @property
    def names(self) -> Names:
        return Names(self.deployed.name)

    @property
    def machine_arn(self) -> str:
        return self.deployed.state_machine_arn

    @property
    def executions(self) -> str:
        """What the ARN of each execution begins with."""
        return self.machine_arn.replace(":stateMachine:", ":execution:") + ":"

    def names_of(self, execution_arn: str) -> ResourceNames:
        name = execution_arn.rpartition(":")[2]
        return names_of(self.names.environment, name, execution_arn)


def run_case(case: Case, target: FaultTarget) -> CaseResult:
    """Run a case from its start to its end.

    It leaves the guard's rule as it was found; what it deleted or changed stays so.
    """
    prepare(case, target)
    return finish(case, target, lambda: start(case, target))


def prepare(case: Case, target: FaultTarget) -> None:
    """Let nothing be left of an earlier case, and all be as this one needs it."""
    target.offline.bedrock.reset()
    target.offline.bedrock.scenario = _scenario(case)


def finish(case: Case, target: FaultTarget, go_on: Callable[[], list[str]]) -> CaseResult:
    """Run a case to its end; `go_on` starts or continues its executions, and returns their ARNs."""
    offline, result = target.offline, CaseResult(case)
    with ExitStack() as undo:
        undo.callback(offline.faults.set)
        if case.guard_lost:
            undo.enter_context(_guard_lost(target))
        if case.broken_function:
            undo.enter_context(unloadable(target.names.of(case.broken_function)))
        undo.enter_context(_interference(result, target))
        offline.faults.set(*case.faults)
        arns = go_on()
        _wait_until_ended(case, target, arns)
        result.passes = _let_the_guards_run(case, target, arns)
        result.fired, result.calls = offline.faults.fired, list(offline.faults.calls)
    _look(result, target, arns)
    result.judge()
    return result


def _scenario(case: Case) -> Scenario:
    return Scenario(
        provisioning_minutes=PROVISIONING_MINUTES,
        deployment_minutes=PROVISIONING_MINUTES,
        no_commitment_units=case.executions,
        training_minutes=TRAINING_MINUTES,
        job_outcome="fail" if case.course == "untrainable" else "complete",
    )


# Of one execution after the other.
_INPUTS: Mapping[Course, Sequence[Mapping[str, object]]] = {
    "approved": [{"require_approval": True}],
    "reviewed": [{"review_data": True}],
    "compared": [{"also_compare": ["few-shot"]}],
    "held": [{"hold_minutes": 5}],
    "unkept": [{"keep_hours": 0}],
    "kept briefly": [{"keep_hours": 1, "max_provisioning_minutes": 20}],
    "both kinds": [{}, {"hosting": "provisioned"}],
}


def start(case: Case, target: FaultTarget) -> list[str]:
    """Start the executions of a case; return their ARNs."""
    inputs = _INPUTS.get(case.course, [{}])
    machine = target.machine_arn
    return [
        target.states.start_execution(stateMachineArn=machine, input=json.dumps(given))[
            "executionArn"
        ]
        for given in islice(cycle(inputs), case.executions)
    ]


def _wait_until_ended(case: Case, target: FaultTarget, arns: list[str]) -> None:
    deadline = time.monotonic() + REAL_SECONDS
    while any(status_of(target, arn) == "RUNNING" for arn in arns):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{case.name}: still running after {REAL_SECONDS:g} s")
        if case.course == "approved":
            _decide(target, arns)
        time.sleep(_POLL_SECONDS)


def status_of(target: FaultTarget, arn: str) -> str:
    """Return the status of an execution; GONE if it is with its machine."""
    execution = target.offline.executions.records.get(arn)
    return execution.status if execution else "GONE"


def _decide(target: FaultTarget, arns: list[str]) -> None:
    """Approve each run that waits for it; where the decision fails, let its time run out."""
    for arn in arns:
        execution = target.offline.executions.records.get(arn)
        waits = execution and execution.entered[-1:] == ["Approve spend"]
        if not waits or target.offline.clock.is_computing:
            continue
        run = target.names_of(arn).run
        given = {"run": run, "decision": "approve", "quote_sha256": _asked(target, run)}
        told = _told(target, given)
        while "repeat it after the next mail" in told:
            target.offline.clock.advance(10)
            told = _told(target, given)
        if told:
            target.offline.clock.advance(25 * 3600)


def _told(target: FaultTarget, given: dict[str, str]) -> str:
    """Decide; return why the decision does not count, nothing if it does."""
    machine = f"{target.machine_arn}-decide-spend"
    started = target.states.start_execution(stateMachineArn=machine, input=json.dumps(given))
    while status_of(target, started["executionArn"]) == "RUNNING":
        time.sleep(_POLL_SECONDS)
    execution = target.offline.executions.records.get(started["executionArn"])
    return (execution and execution.cause) or ""


def _asked(target: FaultTarget, run: str) -> str:
    """Return the hash of the quote that the run asks about; nothing while it does not ask."""
    s3: Any = boto3.client("s3")
    try:
        found = s3.get_object(Bucket=target.deployed.bucket, Key=f"approvals/{run}/request.json")
    except s3.exceptions.NoSuchKey:
        return ""
    return str(json.loads(found["Body"].read())["quote_sha256"])


def _interference(result: CaseResult, target: FaultTarget) -> AbstractContextManager[None]:
    """Stop, delete or change the machine just as the first execution enters a state."""
    case, states, machine = result.case, target.states, {"stateMachineArn": target.machine_arn}
    acts: dict[str | None, Callable[[str], Any]] = {
        case.stop_at: lambda arn: states.stop_execution(executionArn=arn, cause="stopped"),
        case.delete_at: lambda _: states.delete_state_machine(**machine),
        case.broken_definition_at: lambda _: states.update_state_machine(
            **machine, definition=_OTHER_DEFINITION
        ),
    }
    acts.pop(None, None)

    def interfere(arn: str, state: str) -> None:
        if state in acts and not result.interfered and arn.startswith(target.executions):
            result.interfered = True
            acts[state](arn)

    return target.offline.executions.watching(interfere) if acts else nullcontext()


_OTHER_DEFINITION = json.dumps(
    {
        "QueryLanguage": "JSONata",
        "StartAt": "Other",
        "States": {"Other": {"Type": "Fail", "Error": "Other"}},
    }
)


@contextmanager
def _guard_lost(target: FaultTarget) -> Iterator[None]:
    events: Any = boto3.client("events")
    rule = target.names.of("abnormal-end")
    events.disable_rule(Name=rule)
    yield
    events.enable_rule(Name=rule)


def _let_the_guards_run(case: Case, target: FaultTarget, arns: list[str]) -> int:
    """Let the guard end, and then the reaper come until nothing is left, or often enough.

    Of what is kept the reaper gets to see enough not to take it, or its release-by passes.
    Return how many of its passes were needed.
    """
    offline, needed = target.offline, 0
    offline.clock.settle(REAL_SECONDS)
    for passes in range(1, _MOST_PASSES + 1):
        left, jobs = _left(target, arns), offline.bedrock.snapshot()["jobs"]
        stopping = {job["arn"] for job in jobs if job["status"] == "Stopping"}  # without this pass
        alive = offline.bedrock.alive()
        if not left and (not alive or (case.group != "kept" and passes > PASSES)):
            break
        offline.clock.advance(PASS_MINUTES * 60)
        offline.clock.settle(REAL_SECONDS)
        needed = passes if left - stopping else needed
    return needed


def _left(target: FaultTarget, arns: list[str]) -> set[str]:
    """Return what runs, serves or bills, but for deployments of runs that succeeded."""
    kept = _of_successes(target, arns)
    deployments = target.offline.bedrock.snapshot()["deployments"]
    spared = {each["arn"] for each in deployments if each["name"] in kept}
    return {*target.offline.bedrock.alive()} - spared


def _of_successes(target: FaultTarget, arns: list[str]) -> set[str]:
    """Return the names of the hosting of the runs that succeeded."""
    return {target.names_of(arn).hosting for arn in arns if status_of(target, arn) == "SUCCEEDED"}


def _look(result: CaseResult, target: FaultTarget, arns: list[str]) -> None:
    seen = target.offline.bedrock.snapshot()
    for arn in arns:
        execution = target.offline.executions.records.get(arn)
        result.statuses.append(status_of(target, arn))
        error, cause = (execution.error or "", execution.cause or "") if execution else ("", "")
        result.causes.append(f"{error}: {cause}" if error else cause)
    left = _left(target, arns)
    kinds = ("throughputs", "deployments")
    result.hosting_left = sum(each["arn"] in left for kind in kinds for each in seen[kind])
    result.jobs_running = sum(job["status"] in {"InProgress", "Stopping"} for job in seen["jobs"])
    result.jobs = len(seen["jobs"])
    result.purchases = seen["purchases"]
    result.metered_minutes = seen["meter"]["throughput_minutes"]
    succeeded, now = _of_successes(target, arns), target.offline.clock.time()
    result.deployments = [_deployment(target, each, succeeded, now) for each in seen["deployed"]]


def _deployment(
    target: FaultTarget, seen: Mapping[str, Any], succeeded: set[str], now: float
) -> Deployment:
    release_by = release_by_of(target.offline.bedrock.resource_tags(seen["arn"]) or {})
    return Deployment(
        minutes=((seen["deleted"] or now) - seen["created"]) / 60,
        minutes_after_release_by=(
            ((seen["deleted"] or now) - release_by.timestamp()) / 60 if release_by else math.inf
        ),
        of_success=seen["name"] in succeeded,
        is_there=seen["deleted"] is None,
    )
