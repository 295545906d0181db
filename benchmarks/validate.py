"""Compares the validator's speed with another one's, and measures its memory and start-up time.

`python -m benchmarks.validate --other PATH` takes the path of AWS's published checker,
https://github.com/aws-samples/amazon-bedrock-samples, custom-models/bedrock-fine-tuning/
claude-haiku/DataValidation/data_validation.py, or of any module with its `validate_file(path)`.
Each round times both on one file, one after the other, and the figure is the median of the rounds'
ratios, so that whatever else the machine does strikes both. In one process the time is the
processor's, as neither waits for anything; over HTTP it is the clock's.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import io
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from benchmarks.capped_http import HttpSource
from benchmarks.datasets import KINDS, Kind, write_file
from lambdas.domain.models.catalogue import CLAUDE_3_HAIKU
from lambdas.validation import DatasetSource, FileSource, Options, check

_ERRORS_ONLY = Options(warnings=False)
_TARGETS = {False: 2.0, True: 1.3}
_DOWNLOAD_CONNECTIONS, _DOWNLOAD_PART_BYTES = 10, 8 * 1024**2  # as the AWS CLI downloads
_REPOSITORY = Path(__file__).parent.parent

Act = Callable[[], object]


def main() -> None:
    options = _parser().parse_args()
    parts = {"local": _local, "http": _over_http, "memory": _memory, "start": _start_up}
    for name in options.only or parts:
        parts[name](options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--other", type=Path, required=True, metavar="PATH")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--megabytes", type=int, default=24, help="of each local file")
    parser.add_argument("--http-megabytes", type=int, default=400)
    parser.add_argument("--connection-megabytes-per-second", type=float, default=90)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--only", nargs="*", choices=("local", "http", "memory", "start"))
    return parser


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _local(options: argparse.Namespace) -> None:
    """One process, every kind of file."""
    other = _load(options.other)
    _say("One process, all error rules: times faster (ns of CPU a byte: other, this)")
    with tempfile.TemporaryDirectory() as folder:
        for kind in KINDS:
            path = write_file(Path(folder) / "file.jsonl", kind, options.megabytes * 10**6)
            source = FileSource(path, "training.jsonl")
            _check_kind(source, kind)
            ratio, *seconds = _compare(
                partial(other, path), partial(_checked, source), options.rounds, time.process_time
            )
            mark = "" if ratio >= _TARGETS[kind.faulty] else f"  below {_TARGETS[kind.faulty]}"
            costs = ", ".join(f"{each * 1e9 / source.size_bytes:.2f}" for each in seconds)
            _say(f"  {kind!s:32} {ratio:5.2f}  ({costs}){mark}")


def _checked(source: DatasetSource, workers: int = 1) -> object:
    return check(CLAUDE_3_HAIKU, source, options=Options(warnings=False, workers=workers))


def _check_kind(source: FileSource, kind: Kind) -> None:
    """Check that the file is of its kind, or the figures would mean nothing."""
    report = check(CLAUDE_3_HAIKU, source, options=_ERRORS_ONLY)
    lines = sum(
        count for (_, code, _), count in report.findings.counts.items() if "records" not in code
    )
    summary = report.files[source.name]
    assert bool(lines) == kind.faulty, report.findings.counts  # noqa: S101  # of the measurement
    assert not lines or lines >= summary.lines, report.findings.counts  # noqa: S101  # same


def _load(path: Path) -> Callable[[Path], object]:
    spec = importlib.util.spec_from_file_location("other_validator", path)
    if spec is None or spec.loader is None:
        raise SystemExit(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def validate(file: Path) -> object:
        with contextlib.redirect_stdout(io.StringIO()):
            return module.validate_file(str(file))

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


def _over_http(options: argparse.Namespace) -> None:
    """Download and check, against checking in place, each connection with its speed limit."""
    other, workers = _load(options.other), options.workers
    limit = options.connection_megabytes_per_second
    _say(f"Over HTTP, {limit:g} MB/s a connection, {workers} workers: times faster (MB/s)")
    with tempfile.TemporaryDirectory() as folder, _served(folder, limit) as port:
        for kind in (Kind("mixed", 20_000), Kind("ascii", 2_000), Kind("escaped", 20_000)):
            path = write_file(Path(folder) / "file.jsonl", kind, options.http_megabytes * 10**6)
            size = path.stat().st_size
            source = HttpSource(port, path.name, size)
            for connections in (_DOWNLOAD_CONNECTIONS, 1):
                ratio, *seconds = _compare(
                    partial(_download_and_check, source, connections, other),
                    partial(_checked, source, workers),
                    max(3, options.rounds // 2),
                )
                speeds = ", ".join(f"{size / each / 1e6:.0f}" for each in seconds)
                how = f"{kind}, downloaded by {connections}"
                _say(f"  {how:32} {ratio:5.2f}  ({speeds})")


@contextlib.contextmanager
def _served(folder: str, megabytes_per_second: float) -> Iterator[int]:
    command = [sys.executable, "-m", "benchmarks.capped_http", folder, str(megabytes_per_second)]
    with subprocess.Popen(command, cwd=_REPOSITORY, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout  # noqa: S101  # asked for
        try:
            yield int(server.stdout.readline())
        finally:
            server.terminate()


def _download_and_check(
    source: HttpSource, connections: int, other: Callable[[Path], object]
) -> None:
    with tempfile.NamedTemporaryFile(suffix=".jsonl") as file:
        path = Path(file.name)
        starts = range(0, source.size_bytes, _DOWNLOAD_PART_BYTES)
        if connections == 1:
            starts = range(0, source.size_bytes, source.size_bytes)
        with ThreadPoolExecutor(connections) as pool:
            list(pool.map(lambda start: _download(source, path, start, starts.step), starts))
        other(path)


def _download(source: HttpSource, path: Path, start: int, step: int) -> None:
    with (
        source.open(start, min(start + step, source.size_bytes)) as part,
        path.open("r+b") as file,
    ):
        file.seek(start)
        shutil.copyfileobj(part, file, 1 << 20)


_MEASURE_MEMORY = """
import json, resource, sys
from benchmarks.datasets import Kind, SyntheticSource, lines_of
from lambdas.domain.models.catalogue import CLAUDE_3_HAIKU
from lambdas.validation import check
from lambdas.validation import Options
import boto3
boto3.client("s3", region_name="us-west-2")
block = b"x" * 1_000_000
if sys.argv[1] == "lines":
    lines = lines_of(Kind("mixed", 20_000))
    block = b"".join(next(lines) for _ in range(100))
size = int(sys.argv[2]) // len(block) * len(block)
source = SyntheticSource("training.jsonl", block, size)
options = Options(warnings=False, workers=int(sys.argv[3]))
report = check(CLAUDE_3_HAIKU, source, options=options)
peak = [resource.getrusage(who).ru_maxrss / 1024 for who in
        (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
codes = sorted({code for _, code, _ in report.findings.counts})
print(json.dumps({"peak": peak, "lines": report.files["training.jsonl"].lines, "codes": codes}))
"""


def _memory(options: argparse.Namespace) -> None:
    """Peak memory of the process and of its largest worker."""
    _say("Peak memory in MB: process, largest worker (which shares most of its own with it)")
    for what, size in (("lines", 10 * 1024**3), ("one line", 1024**3)):
        for workers in (1, options.workers):
            arguments = [what, str(size), str(workers)]
            begin = time.perf_counter()
            found = json.loads(_python(_MEASURE_MEMORY, *arguments))
            peaks = ", ".join(f"{each:.0f}" for each in found["peak"])
            seconds = time.perf_counter() - begin
            _say(
                f"  {size / 1024**3:.0f} GiB of {what}, {workers} workers: {peaks}  "
                f"({seconds:.0f} s, {found['lines']} lines, {', '.join(found['codes'])})"
            )


def _python(code: str, *arguments: str) -> str:
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(
        command, cwd=_REPOSITORY, capture_output=True, text=True, check=True
    ).stdout


def _start_up(options: argparse.Namespace) -> None:
    """Import times in fresh processes, each against boto3's own in the same round."""
    _say("Import time over `import boto3`'s, in ms")
    for name in ("lambdas.validation", "lambdas.handlers.validate_dataset"):
        over = [
            _import_seconds(f"import boto3, {name}") - _import_seconds("import boto3")
            for _ in range(2 * options.rounds)
        ]
        _say(f"  {name:32} {statistics.median(over) * 1000:.0f}")


def _import_seconds(statement: str) -> float:
    code = (
        f"import time; begin = time.perf_counter(); {statement}; print(time.perf_counter() - begin)"
    )
    return float(_python(code))


if __name__ == "__main__":
    main()
