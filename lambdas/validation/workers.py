"""Scans the ranges of a file in this process or in several; results are always in order.

AWS Lambda has no shared memory, which `multiprocessing.Pool` needs: workers are forked and
controlled through pipes. Each reads its own ranges, over as many connections as the source has.
"""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import NamedTuple

from lambdas.validation.jsonl.ranges import ByteRange, read_range
from lambdas.validation.jsonl.sources import DatasetSource
from lambdas.validation.scan import RangeResult, ScanOptions, scan

LEAST_SHARED_BYTES = 2 * 1024**2  # a smaller file is checked before two would gain by it


class WorkerDied(Exception):
    """A worker process ended early, most likely killed for its memory use."""


class FileScan(NamedTuple):
    """A file to scan; workers inherit it."""

    options: ScanOptions
    source: DatasetSource
    ranges: Sequence[ByteRange]
    compares: Callable[[], bool]  # whether the next range should keep records to compare

    def tasks(self) -> Iterator[_Task]:
        return ((at, self.compares()) for at in range(len(self.ranges)))


_Task = tuple[int, bool]  # the number of a range, and whether it keeps records to compare
_Done = tuple[int, RangeResult]


def scan_ranges(work: FileScan, workers: int) -> Iterator[RangeResult]:
    """Yield the result of each range, in order; errors of the source are raised here."""
    if workers <= 1 or work.source.size_bytes < LEAST_SHARED_BYTES:
        for _, result in _scan_in_turn(work, work.tasks()):
            yield result
        return
    started = [_start(work) for _ in range(min(workers, len(work.ranges)))]
    try:
        yield from _in_order(work, [pipe for _, pipe in started])
    finally:
        for process, _ in started:
            process.terminate()
        for process, pipe in started:
            process.join()
            pipe.close()


def _scan_in_turn(work: FileScan, tasks: Iterable[_Task]) -> Iterator[_Done]:
    for (at, compare), content in _contents(work, tasks):
        options = replace(work.options, compare=compare)
        yield at, scan(options, work.source, work.ranges[at], content)


def _contents(work: FileScan, tasks: Iterable[_Task]) -> Iterator[tuple[_Task, bytes]]:
    """Read ranges: over several connections in threads, while those before are scanned."""
    connections = getattr(work.source, "connections", 1)
    if connections == 1:
        yield from ((task, read_range(work.source, work.ranges[task[0]])) for task in tasks)
        return
    ahead: deque[tuple[_Task, Future[bytes]]] = deque()
    with ThreadPoolExecutor(connections) as readers:
        try:
            for task in tasks:
                ahead.append((task, readers.submit(read_range, work.source, work.ranges[task[0]])))
                if len(ahead) > connections:
                    first, content = ahead.popleft()
                    yield first, content.result()
            yield from ((task, content.result()) for task, content in ahead)
        finally:
            readers.shutdown(cancel_futures=True)


def _start(work: FileScan) -> tuple[BaseProcess, Connection]:
    """Fork a process that scans the ranges that come through its pipe."""
    fork = multiprocessing.get_context("fork")
    ours, theirs = fork.Pipe()
    process = fork.Process(target=_serve, args=(work, theirs, ours), daemon=True)
    process.start()
    theirs.close()
    return process, ours


def _in_order(work: FileScan, pipes: Sequence[Connection]) -> Iterator[RangeResult]:
    """Give each process a range whenever it can take one more; early results wait."""
    tasks = work.tasks()
    for pipe in [*pipes] * (getattr(work.source, "connections", 1) + 1):
        pipe.send(next(tasks, None))
    early: dict[int, RangeResult] = {}
    for index in range(len(work.ranges)):
        while index not in early:
            for ready in wait(pipes):
                assert isinstance(ready, Connection)  # noqa: S101  # wait() returns what it is given
                at, result = _received(ready)
                early[at] = result
                ready.send(next(tasks, None))
        yield early.pop(index)


def _received(pipe: Connection) -> _Done:
    try:
        at, result = pipe.recv()
    except EOFError:
        raise WorkerDied(
            "a process that read the dataset ended early; give the function more memory"
        ) from None
    if isinstance(result, Exception):
        raise result
    return at, result


def _serve(work: FileScan, pipe: Connection, parents_end: Connection) -> None:
    """Scan the ranges that come through the pipe, until a None."""
    parents_end.close()
    try:
        for done in _scan_in_turn(work, iter(pipe.recv, None)):
            pipe.send(done)
    except Exception as error:  # noqa: BLE001  # whatever it is, the parent raises it
        pipe.send((-1, error))
    # The parent ends this process: if it ended itself, the parent would raise WorkerDied.
    with suppress(EOFError):
        while True:
            pipe.recv()
