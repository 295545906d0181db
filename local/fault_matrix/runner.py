"""Injects the fault of a case into an execution, gives the guards their time, and looks around."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import boto3

from lambdas.domain.run.names import PROJECT, ResourceNames, names_of
from lambdas.domain.run.tags import release_by_of
from local.bedrock import Scenario
from local.fault_matrix.cases import PROVISIONING_MINUTES, TRAINING_MINUTES, Case, Course
from local.fault_matrix.results import PASS_MINUTES, PASSES, CaseResult, Deployment
from local.rehearsal.deployment import unloadable
from local.server import OfflineAws
from stacks.names import Names

_REAL_SECONDS = 300.0  # of a machine on which much else runs
_MOST_PASSES = 40  # beyond the release-by of a deployment that is kept briefly
_POLL_SECONDS = 0.01


@dataclass(frozen=True)
class FaultTarget:
    """The deployed environment."""

    offline: OfflineAws
    machine_arn: str

    @cached_property
    def states(self) -> Any:  # noqa: ANN401  # a boto3 client, which takes longer to make than a call
        return boto3.client("stepfunctions")

    @property
    def names(self) -> Names:
        return Names(self.machine_arn.rpartition(":")[2].removeprefix(f"{PROJECT}-"))

    @property
    def decide_arn(self) -> str:
        return f"{self.machine_arn}-decide-spend"

    @property
    def executions(self) -> str:
        """What the ARN of each execution begins with."""
        return self.machine_arn.replace(":stateMachine:", ":execution:") + ":"

    def names_of(self, execution_arn: str) -> ResourceNames:
        name = execution_arn.rpartition(":")[2]
        return names_of(self.names.environment, name, execution_arn)


def run_case(case: Case, target: FaultTarget) -> CaseResult:
    """Run a case to its end, and leave the offline AWS as it was found."""
    offline = target.offline
    offline.bedrock.reset()
    offline.bedrock.scenario = _scenario(case)
    with ExitStack() as undo:
        undo.callback(offline.faults.set)
        if case.guard_lost:
            undo.enter_context(_guard_lost(target))
        if case.broken_function:
            undo.enter_context(unloadable(target.names.of(case.broken_function)))
        if case.delete_at or case.broken_definition_at:
            undo.enter_context(_machine_restored(target))
        result = CaseResult(case)
        undo.enter_context(_interference(result, target))
        offline.faults.set(*case.faults)
        arns = [_start(case, target, index) for index in range(case.executions)]
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


def _start(case: Case, target: FaultTarget, index: int) -> str:
    inputs = _INPUTS.get(case.course, [{}])
    given = inputs[index % len(inputs)]
    machine = target.machine_arn
    started = target.states.start_execution(stateMachineArn=machine, input=json.dumps(given))
    arn: str = started["executionArn"]
    return arn


def _wait_until_ended(case: Case, target: FaultTarget, arns: list[str]) -> None:
    deadline = time.monotonic() + _REAL_SECONDS
    while any(_status(target, arn) == "RUNNING" for arn in arns):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{case.name}: still running after {_REAL_SECONDS:g} s")
        if case.course == "approved":
            _decide(target, arns)
        time.sleep(_POLL_SECONDS)


def _status(target: FaultTarget, arn: str) -> str:
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
        asked = _asked(target, run) or ""
        given = {"run": run, "decision": "approve", "quote_sha256": asked}
        told = _told(target, given)
        while "repeat it after the next mail" in told:
            target.offline.clock.advance(10)
            told = _told(target, given)
        if told:
            target.offline.clock.advance(25 * 3600)


def _told(target: FaultTarget, given: dict[str, str]) -> str:
    """Decide; return why the decision does not count, nothing if it does."""
    machine = target.decide_arn
    started = target.states.start_execution(stateMachineArn=machine, input=json.dumps(given))
    while _status(target, started["executionArn"]) == "RUNNING":
        time.sleep(_POLL_SECONDS)
    execution = target.offline.executions.records.get(started["executionArn"])
    return (execution and execution.cause) or ""


def _asked(target: FaultTarget, run: str) -> str | None:
    """Return the hash of the quote that the run asks about; None while it does not ask."""
    s3: Any = boto3.client("s3")
    bucket = next(
        bucket["Name"]
        for bucket in s3.list_buckets()["Buckets"]
        if bucket["Name"].startswith(target.names.of("")) and not bucket["Name"].endswith("-logs")
    )
    key = f"approvals/{run}/request.json"
    if not s3.list_objects_v2(Bucket=bucket, Prefix=key).get("KeyCount"):
        return None
    request = json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
    return str(request["quote_sha256"])


@contextmanager
def _interference(result: CaseResult, target: FaultTarget) -> Iterator[None]:
    """Stop, delete or change the machine just as the first execution enters a state."""
    case, states = result.case, target.states
    if not (case.stop_at or case.delete_at or case.broken_definition_at):
        yield
        return

    def interfere(arn: str, state: str) -> None:
        if result.interfered or not arn.startswith(target.executions):
            return
        acts: dict[str | None, Callable[[], Any]] = {
            case.stop_at: lambda: states.stop_execution(executionArn=arn, cause="stopped"),
            case.delete_at: lambda: states.delete_state_machine(stateMachineArn=target.machine_arn),
            case.broken_definition_at: lambda: states.update_state_machine(
                stateMachineArn=target.machine_arn, definition=_OTHER_DEFINITION
            ),
        }
        acts.pop(None, None)
        if act := acts.get(state):
            result.interfered = True
            act()

    with target.offline.executions.watching(interfere):
        yield


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


@contextmanager
def _machine_restored(target: FaultTarget) -> Iterator[None]:
    states = target.states
    stock = states.describe_state_machine(stateMachineArn=target.machine_arn)
    yield
    if _outlives_its_deletion(states, target.machine_arn):
        states.update_state_machine(
            stateMachineArn=target.machine_arn, definition=stock["definition"]
        )
        return
    states.create_state_machine(
        name=stock["name"], definition=stock["definition"], roleArn=stock["roleArn"]
    )


def _outlives_its_deletion(states: Any, arn: str) -> bool:  # noqa: ANN401  # boto3
    """Wait until a machine that is being deleted is gone; tell whether it is there."""
    deadline = time.monotonic() + _REAL_SECONDS
    while time.monotonic() < deadline:
        try:
            status = states.describe_state_machine(stateMachineArn=arn)["status"]
        except states.exceptions.StateMachineDoesNotExist:
            return False
        if status == "ACTIVE":
            return True
        time.sleep(_POLL_SECONDS)
    raise TimeoutError(f"{arn} is still being deleted")


def _let_the_guards_run(case: Case, target: FaultTarget, arns: list[str]) -> int:
    """Let the guard end, and then the reaper come until nothing is left, or often enough.

    Of what is kept the reaper gets to see enough not to take it, or its release-by passes.
    Return how many of its passes were needed.
    """
    offline, needed = target.offline, 0
    offline.clock.settle(_REAL_SECONDS)
    for passes in range(1, _MOST_PASSES + 1):
        left = _left(target, arns)
        stopping = _stopping(target)  # before this pass, which it needs no more
        alive = offline.bedrock.alive()
        if not left and (not alive or (case.group != "kept" and passes > PASSES)):
            break
        offline.clock.advance(PASS_MINUTES * 60)
        offline.clock.settle(_REAL_SECONDS)
        needed = passes if left - stopping else needed
    return needed


def _stopping(target: FaultTarget) -> set[str]:
    jobs = target.offline.bedrock.snapshot()["jobs"]
    return {job["arn"] for job in jobs if job["status"] == "Stopping"}


def _left(target: FaultTarget, arns: list[str]) -> set[str]:
    """Return what runs, serves or bills, but for deployments of runs that succeeded."""
    kept = {target.names_of(arn).hosting for arn in arns if _status(target, arn) == "SUCCEEDED"}
    deployments = target.offline.bedrock.snapshot()["deployments"]
    spared = {each["arn"] for each in deployments if each["name"] in kept}
    return {*target.offline.bedrock.alive()} - spared


def _look(result: CaseResult, target: FaultTarget, arns: list[str]) -> None:
    seen = target.offline.bedrock.snapshot()
    for arn in arns:
        execution = target.offline.executions.records.get(arn)
        result.statuses.append(_status(target, arn))
        error, cause = (execution.error or "", execution.cause or "") if execution else ("", "")
        result.causes.append(f"{error}: {cause}" if error else cause)
    left = _left(target, arns)
    kinds = ("throughputs", "deployments")
    result.hosting_left = sum(each["arn"] in left for kind in kinds for each in seen[kind])
    result.jobs_running = sum(job["status"] in {"InProgress", "Stopping"} for job in seen["jobs"])
    result.jobs = len(seen["jobs"])
    result.purchases = seen["purchases"]
    result.metered_minutes = seen["meter"]["throughput_minutes"]
    succeeded = {
        target.names_of(arn).hosting
        for arn, status in zip(arns, result.statuses, strict=True)
        if status == "SUCCEEDED"
    }
    now = target.offline.clock.time()
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
