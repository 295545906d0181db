"""The stand-in says the same in every process: nothing hangs on how sets are ordered in it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.repository import ROOT

PLAY = """
from local.bedrock import Scenario, Stop
from tests.fakes.offline_bedrock import nova_account, tuned_nova
from tests.unit.local.bedrock.test_conversations import ask, turn
from tests.unit.local.bedrock.test_judge import GOOD, POOR, better, score

stops = (Stop("max_tokens", percent=20),)
account = nova_account(Scenario(seed=4, judge_noise=1, forgets_percent=50, stops=stops))
arn = account.deploy(tuned_nova(account))
account.clock.advance(10)
for n in range(12):
    for text in (f"What does part {n} do?", f"What is {n} + 4?", f"部品{n}は何ですか。"):
        print(ascii(ask(account, turn("user", text), model=arn)["output"]))
    print(score(account, POOR, f"{n}?"), better(account, GOOD, POOR, f"{n}?"))
print([event[3] for event in account.events], account.bedrock.snapshot())
"""


def played(hash_seed: str) -> str:
    environ = {**os.environ, "PYTHONHASHSEED": hash_seed}
    done = subprocess.run(
        [sys.executable, "-c", PLAY],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


@pytest.mark.slow
def test_the_same_scenario_plays_the_same_under_another_hash_seed() -> None:
    first = played("1")
    assert len(first.splitlines()) == 12 * 4 + 1
    assert first == played("2")
