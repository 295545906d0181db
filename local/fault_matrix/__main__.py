"""Command line of `make faults`: runs all cases, in a few processes, and reports.

Usage: python -m local.fault_matrix [--only TEXT] [--workers N] [--no-write]
Exit status: 0 no rule was broken; 1 one was; 2 bad usage, or a worker failed.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import cast

from exit_codes import ExitCode
from local.fault_matrix.cases import Case
from local.fault_matrix.discovery import all_cases
from local.fault_matrix.report import markdown, terminal
from local.fault_matrix.results import CaseResult
from local.fault_matrix.runner import FaultTarget, run_case
from local.rehearsal.deployment import ROOT, bootstrap, deploy, upload_converted
from local.rehearsal.rehearse import REGION
from local.server import OfflineAws

_DOCUMENT = ROOT / "docs" / "faults.md"
_RECORDS = {"training.json": 32, "validation.json": 8, "evaluation.json": 4}
_NORMAL = Case("run", "nothing goes wrong")
_END_SECONDS = 30  # for a process whose results are all in


def main() -> ExitCode:
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__)
    parser.add_argument("--only", default="", metavar="TEXT", help="cases whose name contains it")
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--no-write", action="store_true", help="leave docs/faults.md as it is")
    options = parser.parse_args()
    return _report(options.only, options.workers, write=not (options.no_write or options.only))


def _report(only: str, workers: int, *, write: bool) -> ExitCode:
    began = time.monotonic()
    print(f"Deploying the local environment {workers} times, offline …", flush=True)
    results = _gather(only, workers)
    normal = next(result for result in results if result.case == _NORMAL)
    cases = sorted(
        (result for result in results if result.case != _NORMAL),
        key=lambda result: (result.case.group, result.case.what),
    )
    if not cases:
        print(f"No case's name contains {only!r}.", file=sys.stderr)
        return ExitCode.ERROR
    print("\n".join(["", *terminal(cases, normal.metered_minutes)]))
    if write:
        _DOCUMENT.write_text(markdown(cases), encoding="utf-8")
        print(f"Table: {_DOCUMENT.relative_to(ROOT)}")
    print(f"Wall clock {(time.monotonic() - began) / 60:.1f} min.")
    return ExitCode.FAILED if any(result.breaches for result in cases) else ExitCode.OK


def _gather(only: str, workers: int) -> list[CaseResult]:
    """Run the cases in `workers` processes, and print each result as it comes."""
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
        results = list(_received(receivers))
    finally:
        for process in processes:
            process.join(_END_SECONDS)
            process.terminate()
    if any(process.exitcode for process in processes):
        print("A worker failed: its error is above.", file=sys.stderr)
        raise SystemExit(ExitCode.ERROR)
    return results


def _received(receivers: Sequence[Connection]) -> Iterator[CaseResult]:
    running, number = list(receivers), 0
    while running:
        for receiver in cast("list[Connection]", wait(running)):
            try:
                result: CaseResult = receiver.recv()
            except EOFError:
                running.remove(receiver)
                continue
            number += 1
            _print(number, result)
            yield result


def _run_share(only: str, index: int, count: int, sender: Connection) -> None:
    try:
        for result in _share(only, index, count):
            sender.send(result)
    except Exception:  # noqa: BLE001  # printed, and told by the exit status
        traceback.print_exc()
        os._exit(ExitCode.ERROR)
    os._exit(ExitCode.OK)  # the server's threads have nothing left to do


def _share(only: str, index: int, count: int) -> Iterator[CaseResult]:
    """Run every `count`-th case, from the `index`-th on, on an offline AWS of this process."""
    offline = OfflineAws(region=REGION)
    try:
        offline.start()
        bootstrap()
        deployed = deploy()
        upload_small_dataset(deployed.bucket)
        offline.enforce_iam(on=True)  # what a guard may not do must not help it here
        target = FaultTarget(offline, deployed.state_machine_arn)
        run_case(_NORMAL, target)  # the first one pays for every function's cold start
        yield run_case(_NORMAL, target)
        cases = [case for case in all_cases(target) if only in case.name]
        for case in sorted(cases, key=lambda case: case.name)[index::count]:
            yield _result(case, target)
    finally:
        offline.stop()


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


def _print(number: int, result: CaseResult) -> None:
    breach = f"  BREACH: {'; '.join(result.breaches)}" if result.breaches else ""
    minutes = f"{result.metered_minutes:6.1f} min"
    print(f"{number:4}  {result.outcome:22} {minutes}  {result.case.name}{breach}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
