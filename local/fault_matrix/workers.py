"""Runs the cases in a few processes, each with an offline AWS of its own.

Beside the command line, because a spawned process cannot import a `__main__` of a package.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import tempfile
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, cast

from exit_codes import ExitCode
from local.fault_matrix.cases import SETTINGS, Case
from local.fault_matrix.discovery import all_cases, discover
from local.fault_matrix.results import CaseResult
from local.fault_matrix.runner import FaultTarget, run_case
from local.rehearsal.deployment import ROOT, bootstrap, deploy, upload_converted
from local.server import OfflineAws
from stacks.application import new_app, populate
from stacks.environment import Environment, Validation, load

_RECORDS = {"training.json": 32, "validation.json": 32, "evaluation.json": 6}
_COMPREHEND_USD = 0.004  # a few requests
_CEILING_USD = 600  # for every kind of hosting
_END_SECONDS = 30  # for a process whose results are all in
Work = Callable[[FaultTarget, Any], Iterator[Any]]


def run_cases(only: Sequence[str], workers: int) -> Iterator[CaseResult]:
    """Run the cases whose name has a text of `only`, all if there is none; yield each result.

    Raises
    ------
    ChildProcessError
        A process failed; it has printed why.
    """
    with tempfile.TemporaryDirectory() as assemblies:
        for environment in SETTINGS:
            _synthesise(load(environment), Path(assemblies, environment))
        found = dict(_gathered(_discover, assemblies, [(each, None) for each in SETTINGS]))
        cases = [
            case
            for case in sorted(all_cases(found), key=lambda case: case.name)
            if not only or any(text in case.name for text in only)
        ]
        for environment in SETTINGS:
            there = [case for case in cases if case.setting.environment == environment]
            shares = [there[index::workers] for index in range(min(workers, len(there)))]
            yield from _gathered(_play, assemblies, [(environment, share) for share in shares])


def _synthesise(environment: Environment, folder: Path) -> None:
    """Synthesise it with a budget for Amazon Comprehend, and a ceiling above all hosting."""
    defaults = environment.defaults.model_copy(update={"max_cost_usd": _CEILING_USD})
    validation = Validation(comprehend_max_usd=_COMPREHEND_USD)
    changes = {"validation": validation, "defaults": defaults}
    app = new_app(folder, checked=False)
    populate(app, environment.offline().model_copy(update=changes))
    app.synth()


def _discover(target: FaultTarget, _: None) -> Iterator[Any]:
    environment = target.names.environment
    yield environment, discover(target, SETTINGS[environment])


def _play(target: FaultTarget, cases: Sequence[Case]) -> Iterator[CaseResult]:
    setting = cases[0].setting
    # The first one pays for every function's cold start.
    run_case(Case("alone", "nothing goes wrong", setting=setting), target)
    for case in cases:
        yield _result(case, target)


def _result(case: Case, target: FaultTarget) -> CaseResult:
    try:
        return run_case(case, target)
    except Exception as error:  # noqa: BLE001  # a case that cannot be run is a breach, not an end
        return CaseResult(case, breaches=[f"could not be run: {error!r}"])


def _gathered(work: Work, assemblies: str, shares: Sequence[tuple[str, Any]]) -> Iterator[Any]:
    """Do each share of the work in a process of its own, on its environment; yield what comes."""
    spawn = multiprocessing.get_context("spawn")
    processes, receivers = [], []
    for environment, share in shares:
        receiver, sender = spawn.Pipe(duplex=False)
        process = spawn.Process(
            target=_work, args=(work, Path(assemblies, environment), share, sender)
        )
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


def _received(receivers: Sequence[Connection]) -> Iterator[Any]:
    running = list(receivers)
    while running:
        for receiver in cast("list[Connection]", wait(running)):
            try:
                result = receiver.recv()
            except EOFError:
                running.remove(receiver)
                continue
            yield result


def _work(work: Work, assembly: Path, share: object, sender: Connection) -> None:
    try:
        with _deployed(load(assembly.name), assembly) as target:
            for result in work(target, share):
                sender.send(result)
    except Exception:  # noqa: BLE001  # printed, and told by the exit status
        traceback.print_exc()
        os._exit(ExitCode.ERROR)
    os._exit(ExitCode.OK)  # the server's threads have nothing left to do


@contextmanager
def _deployed(environment: Environment, assembly: Path) -> Iterator[FaultTarget]:
    """Deploy the environment into an offline AWS of this process."""
    offline = OfflineAws(region=environment.region)
    try:
        offline.start()
        bootstrap(environment.offline().permissions_boundary)
        deployed = deploy(environment.name, assembly=assembly)
        upload_small_dataset(deployed.bucket, environment.defaults.model)
        offline.enforce_iam(on=True)  # what a guard may not do must not help it here
        yield FaultTarget(offline, deployed.state_machine_arn)
    finally:
        offline.stop()


def upload_small_dataset(bucket: str, model: str) -> None:
    """Upload as few records as a run takes: what goes wrong does not depend on the data."""
    with tempfile.TemporaryDirectory() as scratch:
        for name, most in _RECORDS.items():
            pairs = json.loads((ROOT / "dataset" / name).read_text(encoding="utf-8"))
            (Path(scratch) / name).write_text(json.dumps(pairs[:most]), encoding="utf-8")
        upload_converted(Path(scratch), bucket, model)
