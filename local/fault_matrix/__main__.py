"""Command line of `make faults`: plays all cases, in a few processes, and reports.

Usage: python -m local.fault_matrix [--only TEXT] [--workers N] [--no-write]
Exit status: 0 no rule was broken; 1 one was; 2 bad usage.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import IO

from exit_codes import ExitCode
from local.fault_matrix.cases import Case
from local.fault_matrix.discovery import all_cases
from local.fault_matrix.report import Row, markdown, terminal
from local.fault_matrix.runner import CaseResult, FaultTarget, play
from local.rehearsal.deployment import ROOT, bootstrap, deploy, upload_converted
from local.rehearsal.rehearse import REGION
from local.server import OfflineAws

_DOCUMENT = ROOT / "docs" / "faults.md"
_RECORDS = {"training.json": 32, "validation.json": 8, "evaluation.json": 4}
_NORMAL = Case("run", "nothing goes wrong")


def main() -> ExitCode:
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__)
    parser.add_argument("--only", default="", metavar="TEXT", help="cases whose name holds it")
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--no-write", action="store_true", help="leave docs/faults.md as it is")
    parser.add_argument("--share", metavar="I/N", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.share:
        return _play_share(options.only, *map(int, options.share.split("/")))
    return _report(options.only, options.workers, write=not (options.no_write or options.only))


def _play_share(only: str, index: int, count: int) -> ExitCode:
    """Play every `count`-th case and print each as a line of JSON."""
    offline = OfflineAws(region=REGION)
    try:
        offline.start()
        bootstrap()
        deployed = deploy()
        upload_small_dataset(deployed.bucket)
        offline.enforce_iam(on=True)  # what a guard may not do must not help it here
        target = FaultTarget(offline, deployed.state_machine_arn)
        play(_NORMAL, target)  # the first one pays for every function's cold start
        _print(play(_NORMAL, target))
        cases = [case for case in all_cases(target) if only in case.name]
        for case in sorted(cases, key=lambda each: each.name)[index::count]:
            _print(_played(case, target))
    finally:
        offline.stop()
    return ExitCode.OK


def upload_small_dataset(bucket: str) -> None:
    """Upload as little as may be trained with: what goes wrong does not depend on the data."""
    with tempfile.TemporaryDirectory() as scratch:
        for name, most in _RECORDS.items():
            pairs = json.loads((ROOT / "dataset" / name).read_text(encoding="utf-8"))
            (Path(scratch) / name).write_text(json.dumps(pairs[:most]), encoding="utf-8")
        upload_converted(Path(scratch), bucket, "claude-3-haiku")


def _played(case: Case, target: FaultTarget) -> CaseResult:
    try:
        return play(case, target)
    except Exception as error:  # noqa: BLE001  # a case that cannot be played is a breach, not an end
        return CaseResult(case, breaches=[f"could not be played: {error!r}"])


def _print(played: CaseResult) -> None:
    case = played.case
    row = Row(
        group=case.group,
        what=case.what,
        statuses=played.statuses,
        throughputs_alive=played.throughputs_alive,
        jobs_running=played.jobs_running,
        purchases=played.purchases,
        jobs=played.jobs,
        executions=case.executions,
        metered_minutes=round(played.metered_minutes, 2),
        breaches=played.breaches,
    )
    print(json.dumps(asdict(row)), flush=True)


def _report(only: str, workers: int, *, write: bool) -> ExitCode:
    began = time.monotonic()
    print(f"Deploying the local environment {workers} times, offline …", flush=True)
    rows = _gather(only, workers)
    normal = next(row for row in rows if row.what == _NORMAL.what)
    cases = sorted(
        (row for row in rows if row.what != _NORMAL.what), key=lambda row: (row.group, row.what)
    )
    if not cases:
        print(f"No case's name holds {only!r}.", file=sys.stderr)
        return ExitCode.ERROR
    print("\n".join(["", *terminal(cases, normal.metered_minutes)]))
    if write:
        _DOCUMENT.write_text(markdown(cases), encoding="utf-8")
        print(f"Table: {_DOCUMENT.relative_to(ROOT)}")
    print(f"Wall clock {(time.monotonic() - began) / 60:.1f} min.")
    return ExitCode.FAILED if any(row.breaches for row in cases) else ExitCode.OK


def _gather(only: str, workers: int) -> list[Row]:
    rows: list[Row] = []
    processes = [_start(only, index, workers) for index in range(workers)]
    readers = [threading.Thread(target=_read, args=(process.stdout, rows)) for process in processes]
    for reader in readers:
        reader.start()
    try:
        for reader in readers:
            reader.join()
    finally:
        for process in processes:
            process.send_signal(signal.SIGTERM)
            process.wait()
    if any(process.returncode not in {0, -signal.SIGTERM} for process in processes):
        raise SystemExit("a worker failed: its error is above")
    return rows


def _start(only: str, index: int, count: int) -> subprocess.Popen[str]:
    share = ["--only", only, "--share", f"{index}/{count}"]
    command = [sys.executable, "-m", "local.fault_matrix", *share]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def _read(lines: Iterable[str] | IO[str] | None, rows: list[Row]) -> None:
    for line in lines or ():
        row = Row(**json.loads(line))
        rows.append(row)
        breach = f"  BREACH: {'; '.join(row.breaches)}" if row.breaches else ""
        minutes = f"{row.metered_minutes:6.1f} min"
        print(
            f"{len(rows):4}  {row.outcome:22} {minutes}  {row.group}: {row.what}{breach}",
            flush=True,
        )


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # the server's threads have nothing left to do
