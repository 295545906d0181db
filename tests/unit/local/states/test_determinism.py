"""The same seed gives the same history; another seed decides otherwise where chance decides."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections import Counter
from typing import Any

import pytest

from local.states.executions import StateError
from local.states.expressions import Expressions
from tests.fakes.states_world import Simulation, asking, call, chain, distributed, lines
from tests.repository import ROOT

TIMES = 10


def history(seed: int) -> list[dict[str, Any]]:
    """Play a machine in which much happens at once, some of it by chance; return all events."""
    expressions = Expressions()
    simulation = Simulation(expressions, seed)
    tried = Counter[str]()

    def moody(payload: str) -> str:
        tried[payload] += 1
        if tried[payload] < 3:
            raise StateError("Moody", payload)
        return payload

    def answer(token: str) -> None:
        simulation.service.call("SendTaskSuccess", {"taskToken": token, "output": f'"{token}"'})

    simulation.function("moody", moody)
    simulation.function("ask", answer)
    retry = [{"ErrorEquals": ["Moody"], "IntervalSeconds": 60, "JitterStrategy": "FULL"}]
    item = "{% $string($states.input) %}"
    inner = chain(Task=call("moody", item, Retry=retry), Ask=asking("ask"))
    simulation.world.objects["bucket/items"] = lines(range(20))
    branches = [
        chain(**{f"Wait {n}": {"Type": "Wait", "Seconds": 60}, f"Tell {n}": TELL}) for n in "abcdef"
    ]
    machine = chain(
        **distributed(inner, Label="all")["States"],
        Both={"Type": "Parallel", "Branches": branches},
    )
    arn = simulation.start(machine)
    simulation.settled(arn)
    found = [each.events for each in simulation.service.records.values()]
    simulation.clock.stop()
    expressions.stop()
    return [event for events in found for event in events]


TELL = {"Type": "Pass", "Output": "{% $now() %}"}


def digest(seed: int) -> str:
    return hashlib.sha256(json.dumps(history(seed)).encode()).hexdigest()


def in_another_process(hash_seed: int) -> str:
    command = "from tests.unit.local.states.test_determinism import digest; print(digest(7))"
    environment = {**os.environ, "PYTHONHASHSEED": str(hash_seed)}
    ended = subprocess.run(
        [sys.executable, "-c", command], cwd=ROOT, env=environment, check=True, capture_output=True
    )
    return ended.stdout.decode().strip()


@pytest.mark.slow
def test_the_same_seed_gives_the_same_history_in_every_process() -> None:
    assert {in_another_process(hash_seed) for hash_seed in range(TIMES)} == {digest(7)}


@pytest.mark.slow
def test_another_seed_gives_another_order() -> None:
    entered = [
        [
            each["stateEnteredEventDetails"]["name"]
            for each in history(seed)
            if "Tell" in str(each) and "stateEnteredEventDetails" in each
        ]
        for seed in (7, 8)
    ]
    assert sorted(entered[0]) == sorted(entered[1])
    assert entered[0] != entered[1]
