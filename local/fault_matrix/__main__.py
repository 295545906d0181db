"""Command line of `make faults`: runs all cases, in a few processes, and reports.

Usage: python -m local.fault_matrix [--only TEXT …] [--workers N]
Exit status: 0 no rule was broken; 1 one was; 2 bad usage, or a worker failed.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence

from exit_codes import ExitCode
from local.fault_matrix.cases import SETTINGS
from local.fault_matrix.report import markdown, terminal
from local.fault_matrix.results import CaseResult
from local.fault_matrix.workers import run_cases
from local.rehearsal.deployment import ROOT

_DOCUMENT = ROOT / "docs" / "faults.md"


def main() -> ExitCode:
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__)
    parser.add_argument(
        "--only", default=[], metavar="TEXT", nargs="+", help="cases whose name contains one"
    )
    parser.add_argument("--workers", type=int, default=3, choices=range(2, 65), metavar="N")
    options = parser.parse_args()
    return _report(options.only, options.workers)


def _report(only: Sequence[str], workers: int) -> ExitCode:
    began = time.monotonic()
    print(f"Looking for what can go wrong in {', '.join(SETTINGS)}, offline …", flush=True)
    results = []
    try:
        for result in run_cases(only, workers):
            results.append(result)
            _print(len(results), result)
    except ChildProcessError as error:
        print(f"error: {error}", file=sys.stderr)
        return ExitCode.ERROR
    cases = sorted(results, key=lambda result: (result.case.group, result.case.what))
    if not cases:
        print(f"No case's name contains one of {', '.join(only)}.", file=sys.stderr)
        return ExitCode.ERROR
    print("\n".join(["", *terminal(cases)]))
    if not only:
        _DOCUMENT.write_text(markdown(cases), encoding="utf-8")
        print(f"Table: {_DOCUMENT.relative_to(ROOT)}")
    print(f"Wall clock {(time.monotonic() - began) / 60:.1f} min.")
    return ExitCode.FAILED if any(result.breaches for result in cases) else ExitCode.OK


def _print(number: int, result: CaseResult) -> None:
    breach = f"  BREACH: {'; '.join(result.breaches)}" if result.breaches else ""
    minutes = f"{result.throughput_minutes:6.1f} min {result.deployment_minutes:6.1f} min"
    print(f"{number:4}  {result.outcome:22} {minutes}  {result.case.name}{breach}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
