"""Scans the ranges of a file in this process or in several; results are always in order.

AWS Lambda has no shared memory with a name, which `multiprocessing.Pool` needs: workers are forked
and send their results through pipes. Each of n workers reads and scans every n-th range.
"""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

from lambdas.validation.jsonl.ranges import ByteRange, DatasetSource, read_range
from lambdas.validation.scan import RangeResult, ScanOptions, scan

LEAST_SHARED_BYTES = 2 * 1024**2  # a smaller file is checked before two would gain by it


class WorkerDied(Exception):
    """A worker process ended early, most likely killed for its memory use."""


def scan_ranges(
    options: ScanOptions, source: DatasetSource, ranges: Sequence[ByteRange], workers: int
) -> Iterator[RangeResult]:
    """Yield the result of each range, in order; errors of the source are raised here.

    Raises
    ------
    WorkerDied
        A worker ended before it had sent its results.
    """
    if workers <= 1 or source.size_bytes < LEAST_SHARED_BYTES:
        yield from _scan(options, source, ranges)
        return
    workers = min(workers, len(ranges))
    started = [_start(options, source, ranges[at::workers]) for at in range(workers)]
    try:
        for at in range(len(ranges)):
            yield _received(started[at % workers][1])
    finally:
        for process, pipe in started:
            process.terminate()
            process.join()
            pipe.close()


def _scan(
    options: ScanOptions, source: DatasetSource, ranges: Sequence[ByteRange]
) -> Iterator[RangeResult]:
    """Scan ranges while the next are read, over as many connections as the source has."""
    connections = getattr(source, "connections", 1)
    with ThreadPoolExecutor(connections) as readers:
        reads = (readers.submit(read_range, source, part) for part in ranges)
        ahead = deque(islice(reads, connections))
        for part in ranges:
            content = ahead.popleft().result()
            ahead.extend(islice(reads, 1))
            yield scan(options, source, part, content)


def _start(
    options: ScanOptions, source: DatasetSource, ranges: Sequence[ByteRange]
) -> tuple[BaseProcess, Connection]:
    """Fork a process that sends the result of each range."""
    fork = multiprocessing.get_context("fork")
    ours, theirs = fork.Pipe(duplex=False)
    process = fork.Process(target=_serve, args=(options, source, ranges, theirs, ours), daemon=True)
    process.start()
    theirs.close()
    return process, ours


def _serve(
    options: ScanOptions,
    source: DatasetSource,
    ranges: Sequence[ByteRange],
    pipe: Connection,
    parents_end: Connection,
) -> None:
    parents_end.close()  # so that sending fails once the parent is gone
    try:
        for result in _scan(options, source, ranges):
            pipe.send(result)
    except Exception as error:  # noqa: BLE001  # whatever it is, the parent raises it
        pipe.send(error)


def _received(pipe: Connection) -> RangeResult:
    try:
        result = pipe.recv()
    except (EOFError, OSError):  # it ended between two results, or while it sent one
        raise WorkerDied(
            "a process that read the dataset ended early; give the function more memory"
        ) from None
    if isinstance(result, Exception):
        raise result
    assert isinstance(result, RangeResult)  # noqa: S101  # what `_serve` sends
    return result
