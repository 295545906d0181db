"""The deployed state machine, as a person at the console would use it."""

from __future__ import annotations

import functools
import json
import time
from dataclasses import dataclass
from typing import Any

import boto3

from local.server import OfflineAws

Json = dict[str, Any]


@dataclass(frozen=True)
class Outcome:
    """One ended execution, with what it left behind."""

    arn: str
    status: str
    error: str
    cause: str
    states: list[str]
    output: Json
    minutes: float

    @property
    def name(self) -> str:
        return self.arn.rpartition(":")[2]


@functools.cache
def _states() -> Any:
    return boto3.client("stepfunctions")


@dataclass(frozen=True)
class Machine:
    """The deployed state machine."""

    arn: str
    bucket: str
    offline: OfflineAws

    def start(self, execution_input: Json | None = None, **name: str) -> str:
        states = _states()
        started = states.start_execution(
            stateMachineArn=self.arn, input=json.dumps(execution_input or {}), **name
        )
        arn: str = started["executionArn"]
        return arn

    def run(self, execution_input: Json | None = None) -> Outcome:
        return self.wait(self.start(execution_input))

    def states_of(self, arn: str) -> list[str]:
        states = _states()
        pages = states.get_paginator("get_execution_history").paginate(executionArn=arn)
        entered = (
            event.get("stateEnteredEventDetails") for page in pages for event in page["events"]
        )
        return [details["name"] for details in entered if details]

    def minutes_in(self, arn: str, state: str) -> float:
        """Return the simulated minutes that an execution spent in a state."""
        pages = _states().get_paginator("get_execution_history").paginate(executionArn=arn)
        times = [
            event["timestamp"]
            for page in pages
            for event in page["events"]
            for details in ("stateEnteredEventDetails", "stateExitedEventDetails")
            if event.get(details, {}).get("name") == state
        ]
        return float((times[-1] - times[0]).total_seconds()) / 60

    def wait_for_state(self, arn: str, name: str, seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while name not in self.states_of(arn):
            assert time.monotonic() < deadline, f"never entered {name}: {self.states_of(arn)}"
            time.sleep(0.02)

    def wait(self, arn: str, seconds: float = 120) -> Outcome:
        deadline = time.monotonic() + seconds
        # Looked at from within: to be asked all the time takes a third of the machine's own time.
        records = self.offline.executions.records
        while (there := records.get(arn)) and there.status == "RUNNING":
            assert time.monotonic() < deadline, f"still running: {self.states_of(arn)}"
            time.sleep(0.05)
        found = _states().describe_execution(executionArn=arn)
        lasted = found["stopDate"] - found["startDate"]
        return Outcome(
            arn=arn,
            status=found["status"],
            error=found.get("error", ""),
            cause=found.get("cause", ""),
            states=self.states_of(arn),
            output=json.loads(found.get("output") or "{}"),
            minutes=lasted.total_seconds() / 60,
        )
