"""Compares the validator's speed with that of an earlier commit, and with another one's.

`python -m benchmarks.validate --only before --commit HEAD~1` checks 20,000 short records, once with
500 evaluation questions, and the `--files` given, with all rules and warnings, as *Validate
dataset*, `prepare` and `upload` do, with this tree and with the commit's in turn, each in a process
of its own. Its figures are CPU time and the most memory.

`python -m benchmarks.validate --other PATH` takes the path of AWS's published checker,
https://github.com/aws-samples/amazon-bedrock-samples, custom-models/bedrock-fine-tuning/
claude-haiku/DataValidation/data_validation.py, or of any module with its `validate_file(path)`.
Each round times both on one file, one after the other, and the figure is the median of the rounds'
ratios, so that whatever else the machine does strikes both. On a local file the time
is the processor's, as neither waits for anything; with a capped speed it is the clock's.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import runpy
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from benchmarks.datasets import (
    KINDS,
    CappedSource,
    Kind,
    write_file,
    write_questions,
    write_records,
)
from lambdas.domain.models.lookup import find_model
from lambdas.validation import DatasetSource, FileSource, ValidationReport
from lambdas.validation.check import Options, check

_DOWNLOAD_CONNECTIONS, _DOWNLOAD_PART_BYTES = 10, 8 * 1024**2  # as the AWS CLI downloads
_CHECK_CONNECTIONS = 4  # as `lambdas.aws.artefacts` reads an object

Act = Callable[[], object]


def main() -> None:
    options = _parser().parse_args()
    for name in options.only or ("before",):
        _PARTS[name](options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--other", type=Path, metavar="PATH", help="for local and capped")
    parser.add_argument("--commit", default="HEAD~1", help="for before: what to compare with")
    parser.add_argument("--records", type=int, default=20_000, help="for before")
    parser.add_argument("--files", type=Path, nargs="*", default=[], help="for before: these too")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--megabytes", type=int, default=24, help="of each local file")
    parser.add_argument("--capped-megabytes", type=int, default=400)
    parser.add_argument("--connection-megabytes-per-second", type=float, default=90)
    parser.add_argument("--only", nargs="*", choices=tuple(_PARTS))
    return parser


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


_CHECK = """
import resource, sys, time
from pathlib import Path
from lambdas.domain.models.lookup import find_model
from lambdas.validation import FileSource
from lambdas.validation.check import Options, check
begin = time.process_time()
training, *questions = [FileSource(Path(each), each) for each in sys.argv[1:]]
options = Options(warnings=True)
report = check(find_model("claude-3-haiku"), training, None, *questions, options=options)
seconds = time.process_time() - begin
findings = sum(report.findings.counts.values())
print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, findings)
"""


def _before(options: argparse.Namespace) -> None:
    """All rules and warnings, this tree against an earlier commit."""
    with tempfile.TemporaryDirectory() as folder:
        earlier, this = Path(folder) / "earlier", Path(folder) / "this"
        shutil.unpack_archive(_archive(options.commit, Path(folder)), earlier)
        # Copied, so that what is edited meanwhile neither fails nor counts.
        shutil.copytree(Path(__file__).parents[1] / "lambdas", this / "lambdas")
        trees = earlier, this
        for line_bytes in (800, 250):
            path = Path(folder) / f"{options.records} records of {line_bytes} bytes"
            write_records(path, options.records, line_bytes)
            _compare_trees([path], trees, options)
        questions = Path(folder) / "500 questions"
        write_questions(questions, 500)
        _compare_trees([path, questions], trees, options)
        for path in options.files:
            _compare_trees([path], trees, options)


def _compare_trees(
    paths: Sequence[Path], trees: tuple[Path, Path], options: argparse.Namespace
) -> None:
    rounds = [[_run(tree, paths) for tree in trees] for _ in range(options.rounds)]
    ratio = statistics.median(old[0] / new[0] for old, new in rounds)
    old, new = (
        list(map(statistics.median, zip(*each, strict=True))) for each in zip(*rounds, strict=True)
    )
    names = ", ".join(path.name for path in paths)
    _say(
        f"{names}: {ratio:.2f} times as fast as {options.commit} ({old[0]:.1f} s, "
        f"{new[0]:.1f} s of CPU time; {old[1]:.0f} MB, {new[1]:.0f} MB; {old[2]:.0f}, "
        f"{new[2]:.0f} findings)"
    )


def _archive(commit: str, folder: Path) -> Path:
    path = folder / "earlier.tar"
    command = ["git", "archive", "--output", str(path), commit, "lambdas"]  # from the repository
    subprocess.run(command, check=True, cwd=Path(__file__).parents[1])  # as written
    return path


def _run(tree: Path, paths: Sequence[Path]) -> list[float]:
    """Check files with the code of a tree: CPU seconds, megabytes at most, findings."""
    command = [sys.executable, "-c", _CHECK, *(str(path.resolve()) for path in paths)]
    done = subprocess.run(command, check=False, cwd=tree, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{tree.name} ended with {done.returncode}: {done.stderr}")
    return list(map(float, done.stdout.split()))


def _local(options: argparse.Namespace) -> None:
    """Every kind of file."""
    other = _other(options.other)
    _say("All error rules: times faster (ns of CPU a byte: other, this)")
    with tempfile.TemporaryDirectory() as folder:
        for kind in KINDS:
            path = write_file(Path(folder) / "file.jsonl", kind, options.megabytes * 10**6)
            source = FileSource(path, "training.jsonl")
            _check_kind(source, kind)
            ratio, *seconds = _compare(
                partial(other, path), partial(_checked, source), options.rounds, time.process_time
            )
            costs = ", ".join(f"{each * 1e9 / source.size_bytes:.2f}" for each in seconds)
            _say(f"  {kind!s:32} {ratio:5.2f}  ({costs})")


def _checked(source: DatasetSource) -> ValidationReport:
    return check(find_model("claude-3-haiku"), source, options=Options(warnings=False))


def _check_kind(source: FileSource, kind: Kind) -> None:
    """Check that the file is of its kind, or the figures would mean nothing."""
    report = _checked(source)
    lines = sum(
        count for (_, code, _), count in report.findings.counts.items() if "records" not in code
    )
    summary = report.files[source.name]
    assert bool(lines) == kind.faulty, report.findings.counts  # noqa: S101  # of the measurement
    assert not lines or lines >= summary.lines, report.findings.counts  # noqa: S101  # same


def _other(path: Path) -> Callable[[Path], object]:
    validate_file = runpy.run_path(str(path))["validate_file"]

    def validate(file: Path) -> object:
        with contextlib.redirect_stdout(io.StringIO()):
            return validate_file(str(file))

    return validate


def _compare(
    other: Act, this: Act, rounds: int, clock: Callable[[], float] = time.perf_counter
) -> tuple[float, float, float]:
    """Return the median ratio, and the median seconds of both."""
    pairs = [(_seconds(other, clock), _seconds(this, clock)) for _ in range(rounds)]
    ratio = statistics.median(theirs / ours for theirs, ours in pairs)
    theirs, ours = (statistics.median(each) for each in zip(*pairs, strict=True))
    return ratio, theirs, ours


def _seconds(act: Act, clock: Callable[[], float]) -> float:
    begin = clock()
    act()
    return clock() - begin


def _capped(options: argparse.Namespace) -> None:
    """Download and check, against checking in place, each connection with its speed limit."""
    other = _other(options.other)
    limit = options.connection_megabytes_per_second
    _say(f"{limit:g} MB/s a connection: times faster (MB/s)")
    with tempfile.TemporaryDirectory() as folder:
        for kind in (Kind("mixed", 20_000), Kind("ascii", 2_000), Kind("escaped", 20_000)):
            path = write_file(Path(folder) / "file.jsonl", kind, options.capped_megabytes * 10**6)
            source = CappedSource(path, "training.jsonl", limit * 1e6, _CHECK_CONNECTIONS)
            for connections in (_DOWNLOAD_CONNECTIONS, 1):
                ratio, *seconds = _compare(
                    partial(_download_and_check, source, connections, other),
                    partial(_checked, source),
                    max(3, options.rounds // 2),
                )
                speeds = ", ".join(f"{source.size_bytes / each / 1e6:.0f}" for each in seconds)
                how = f"{kind}, downloaded by {connections}"
                _say(f"  {how:32} {ratio:5.2f}  ({speeds})")


def _download_and_check(
    source: CappedSource, connections: int, other: Callable[[Path], object]
) -> None:
    step = source.size_bytes if connections == 1 else _DOWNLOAD_PART_BYTES
    with tempfile.NamedTemporaryFile(suffix=".jsonl") as file:
        path = Path(file.name)
        with ThreadPoolExecutor(connections) as pool:
            starts = range(0, source.size_bytes, step)
            list(pool.map(lambda start: _download(source, path, start, start + step), starts))
        other(path)


def _download(source: CappedSource, path: Path, start: int, stop: int) -> None:
    with path.open("r+b") as file:
        file.seek(start)
        file.write(source.read(start, min(stop, source.size_bytes)))


_PARTS = {"before": _before, "local": _local, "capped": _capped}

if __name__ == "__main__":
    main()
