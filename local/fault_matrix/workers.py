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
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import cast

from exit_codes import ExitCode
from local.fault_matrix.branches import play
from local.fault_matrix.cases import BY_THE_HOUR, ON_DEMAND, SETTINGS
from local.fault_matrix.discovery import all_cases, discover
from local.fault_matrix.results import CaseResult
from local.fault_matrix.runner import FaultTarget
from local.rehearsal.deployment import ROOT, bootstrap, deploy, upload_converted
from local.server import OfflineAws
from stacks.application import new_app, populate
from stacks.environment import Environment, Validation, load

_RECORDS = {"training.json": 32, "validation.json": 32, "evaluation.json": 6}
_COMPREHEND_USD = 0.004  # a few requests
_CEILING_USD = 600  # for every kind of hosting
_START = 1_796_000_000.0  # 2026-11-30: cases have the same histories each time
_END_SECONDS = 30  # for a process whose results are all in


def run_cases(only: Sequence[str], workers: int) -> Iterator[CaseResult]:
    """Run the cases whose name has a text of `only`, all if there is none; yield each result.

    Each of the `workers`, of which one has the cases on demand, a sixth of all, discovers what can
    go wrong in its environment: this gets its functions ready, too.

    Raises
    ------
    ChildProcessError
        A process failed; it has printed why.
    """
    with tempfile.TemporaryDirectory() as assemblies:
        for environment in SETTINGS:
            _synthesise(load(environment), Path(assemblies, environment))
        settings = [BY_THE_HOUR] * (workers - 1) + [ON_DEMAND]
        with _started([Path(assemblies, each.environment) for each in settings]) as connections:
            found = dict(connection.recv() for connection in connections)
            cases = [
                case
                for case in sorted(all_cases(found), key=lambda case: case.name)
                if not only or any(text in case.name for text in only)
            ]
            for at, setting in enumerate(settings):
                there = [case for case in cases if case.setting == setting]
                connections[at].send(there[at % settings.count(setting) :: settings.count(setting)])
            yield from _received(connections)


def _synthesise(environment: Environment, folder: Path) -> None:
    """Synthesise it with a budget for Amazon Comprehend, and a ceiling above all hosting."""
    defaults = environment.defaults.model_copy(update={"max_cost_usd": _CEILING_USD})
    validation = Validation(comprehend_max_usd=_COMPREHEND_USD)
    changes = {"validation": validation, "defaults": defaults}
    app = new_app(folder, checked=False)
    populate(app, environment.offline().model_copy(update=changes))
    app.synth()


@contextmanager
def _started(assemblies: Sequence[Path]) -> Iterator[list[Connection]]:
    """Start a process for each; yield a connection to each."""
    spawn = multiprocessing.get_context("spawn")
    processes, connections = [], []
    for assembly in assemblies:
        ours, theirs = spawn.Pipe()
        process = spawn.Process(target=_work, args=(assembly, theirs))
        process.start()
        theirs.close()  # the process has its own; the pipe ends with it
        processes.append(process)
        connections.append(ours)
    try:
        yield connections
    except (EOFError, ConnectionError):
        raise ChildProcessError("a worker failed: its error is above") from None
    finally:
        for process in processes:
            process.join(_END_SECONDS)
            process.terminate()


def _received(connections: Sequence[Connection]) -> Iterator[CaseResult]:
    """Yield each result; raise EOFError if a process ends before it has said that it is done."""
    running = list(connections)
    while running:
        for connection in cast("list[Connection]", wait(running)):
            result = connection.recv()
            if result is None:
                running.remove(connection)
            else:
                yield result


def _work(assembly: Path, connection: Connection) -> None:
    try:
        environment = load(assembly.name)
        with _deployed(environment, assembly) as target:
            connection.send((environment.name, discover(target, SETTINGS[environment.name])))
            play(connection.recv(), target, connection.send)
            connection.send(None)
    except Exception:  # noqa: BLE001  # printed, and told by the end of the connection
        traceback.print_exc()
        os._exit(ExitCode.ERROR)
    os._exit(ExitCode.OK)  # the server's threads have nothing left to do


@contextmanager
def _deployed(environment: Environment, assembly: Path) -> Iterator[FaultTarget]:
    """Deploy the environment into an offline AWS of this process."""
    offline = OfflineAws(region=environment.region, start=_START)
    try:
        offline.start()
        bootstrap(environment.offline().permissions_boundary)
        deployed = deploy(environment.name, assembly=assembly)
        upload_small_dataset(deployed.bucket, environment.defaults.model)
        offline.enforce_iam(on=True)  # what a guard may not do must not help it here
        yield FaultTarget(offline, deployed)
    finally:
        offline.stop()


def upload_small_dataset(bucket: str, model: str) -> None:
    """Upload as few records as a run takes: what goes wrong does not depend on the data."""
    with tempfile.TemporaryDirectory() as scratch:
        for name, most in _RECORDS.items():
            pairs = json.loads((ROOT / "dataset" / name).read_text(encoding="utf-8"))
            (Path(scratch) / name).write_text(json.dumps(pairs[:most]), encoding="utf-8")
        upload_converted(Path(scratch), bucket, model)
