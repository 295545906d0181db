"""Runs the cases in a few processes, each with an offline AWS of its own.

Beside the command line, because a spawned process cannot import a `__main__` of a package.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import tempfile
import traceback
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import cast

from exit_codes import ExitCode
from local.fault_matrix.cases import NAMES, Case
from local.fault_matrix.discovery import all_cases
from local.fault_matrix.results import CaseResult
from local.fault_matrix.runner import FaultTarget, run_case
from local.rehearsal.deployment import ROOT, bootstrap, deploy, upload_converted
from local.rehearsal.rehearse import REGION
from local.server import OfflineAws
from operate.deployed import Deployed
from stacks.application import new_app, populate
from stacks.environment import Validation, load

_RECORDS = {"training.json": 32, "validation.json": 32, "evaluation.json": 4}
_COMPREHEND_USD = 0.01  # a few requests
NORMAL = Case("run", "nothing goes wrong")
_END_SECONDS = 30  # for a process whose results are all in


def run_cases(only: Sequence[str], workers: int) -> Iterator[CaseResult]:
    """Run the cases whose name has a text of `only`, all if there is none; yield each result.

    Raises
    ------
    ChildProcessError
        A process failed; it has printed why.
    """
    spawn = multiprocessing.get_context("spawn")
    processes, receivers = [], []
    for index in range(workers):
        receiver, sender = spawn.Pipe(duplex=False)
        process = spawn.Process(target=_run_share, args=(only, index, workers, sender))
        process.start()
        sender.close()  # the process has its own; the pipe ends with it
        processes.append(process)
        receivers.append(receiver)
    try:
        yield from _received(receivers)
    finally:
        for process in processes:
            process.join(_END_SECONDS)
            process.terminate()
    if any(process.exitcode for process in processes):
        raise ChildProcessError("a worker failed: its error is above")


def _received(receivers: Sequence[Connection]) -> Iterator[CaseResult]:
    running = list(receivers)
    while running:
        for receiver in cast("list[Connection]", wait(running)):
            try:
                result: CaseResult = receiver.recv()
            except EOFError:
                running.remove(receiver)
                continue
            yield result


def _run_share(only: Sequence[str], index: int, count: int, sender: Connection) -> None:
    try:
        for result in _share(only, index, count):
            sender.send(result)
    except Exception:  # noqa: BLE001  # printed, and told by the exit status
        traceback.print_exc()
        os._exit(ExitCode.ERROR)
    os._exit(ExitCode.OK)  # the server's threads have nothing left to do


def _share(only: Sequence[str], index: int, count: int) -> Iterator[CaseResult]:
    """Run every `count`-th case, from the `index`-th on, on an offline AWS of this process."""
    offline = OfflineAws(region=REGION)
    try:
        offline.start()
        bootstrap()
        deployed = _deploy_screened()
        upload_small_dataset(deployed.bucket)
        offline.enforce_iam(on=True)  # what a guard may not do must not help it here
        target = FaultTarget(offline, deployed.state_machine_arn)
        run_case(NORMAL, target)  # the first one pays for every function's cold start
        yield run_case(NORMAL, target)
        cases = [
            case
            for case in all_cases(target)
            if not only or any(text in case.name for text in only)
        ]
        for case in sorted(cases, key=lambda case: case.name)[index::count]:
            yield _result(case, target)
    finally:
        offline.stop()


def _deploy_screened() -> Deployed:
    """Deploy the environment with a budget for Amazon Comprehend: every run is screened too."""
    screened = load(NAMES.environment).model_copy(
        update={"validation": Validation(comprehend_max_usd=_COMPREHEND_USD)}
    )
    with tempfile.TemporaryDirectory() as scratch:
        app = new_app(Path(scratch))
        populate(app, screened)
        app.synth()
        return deploy(NAMES.environment, assembly=Path(scratch))


def upload_small_dataset(bucket: str) -> None:
    """Upload as few records as training takes: what goes wrong does not depend on the data."""
    with tempfile.TemporaryDirectory() as scratch:
        for name, most in _RECORDS.items():
            pairs = json.loads((ROOT / "dataset" / name).read_text(encoding="utf-8"))
            (Path(scratch) / name).write_text(json.dumps(pairs[:most]), encoding="utf-8")
        upload_converted(Path(scratch), bucket, "claude-3-haiku")


def _result(case: Case, target: FaultTarget) -> CaseResult:
    try:
        return run_case(case, target)
    except Exception as error:  # noqa: BLE001  # a case that cannot be run is a breach, not an end
        return CaseResult(case, breaches=[f"could not be run: {error!r}"])
