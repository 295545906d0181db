"""Scans the ranges of a file in this process or in several; results are always in order.

AWS Lambda has no shared memory, which `multiprocessing.Pool` needs: workers are forked and
controlled through pipes. Each reads its own ranges, over as many connections as the source has.
"""

from __future__ import annotations

import io
import multiprocessing
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import Connection, wait
from typing import NamedTuple

from lambdas.validation.jsonl.ranges import ByteRange, open_range
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


class RangeTask(NamedTuple):
    """One range to scan."""

    position: int  # among the ranges
    compare: bool


def scan_ranges(work: FileScan, workers: int) -> Iterator[RangeResult]:
    """Yield the result of each range, in order; errors of the source are raised here."""
    if workers <= 1 or work.source.size_bytes < LEAST_SHARED_BYTES:
        yield from _scan_in_turn(work, _tasks(work))
        return
    pool = _Workers(work, min(workers, len(work.ranges)))
    try:
        yield from pool.results()
    finally:
        pool.stop()


def _tasks(work: FileScan) -> Iterator[RangeTask]:
    return (RangeTask(index, work.compares()) for index in range(len(work.ranges)))


def _scan_in_turn(work: FileScan, tasks: Iterator[RangeTask]) -> Iterator[RangeResult]:
    """Scan ranges in this process while threads read the next ones."""
    connections = getattr(work.source, "connections", 1)
    if connections == 1:
        for task in tasks:
            part = work.ranges[task.position]
            yield _scan(work, task, open_range(work.source, part))
        return
    with ThreadPoolExecutor(connections) as readers:
        ahead: deque[tuple[RangeTask, Future[bytes]]] = deque()
        try:
            for task in tasks:
                ahead.append((task, readers.submit(_read, work.source, work.ranges[task.position])))
                if len(ahead) > connections:
                    yield _scan_read(work, *ahead.popleft())
            while ahead:
                yield _scan_read(work, *ahead.popleft())
        finally:
            readers.shutdown(cancel_futures=True)


def _read(source: DatasetSource, part: ByteRange) -> bytes:
    with open_range(source, part) as stream:
        return stream.read()


def _scan_read(work: FileScan, task: RangeTask, content: Future[bytes]) -> RangeResult:
    return _scan(work, task, io.BytesIO(content.result()))


def _scan(work: FileScan, task: RangeTask, head: io.BufferedIOBase) -> RangeResult:
    options = replace(work.options, compare=task.compare)
    return scan(options, work.source, work.ranges[task.position], head)


class _Workers:
    """Forked processes, each given a range whenever it can take one more."""

    def __init__(self, work: FileScan, count: int) -> None:
        fork = multiprocessing.get_context("fork")
        self._left = _tasks(work)
        self._total = len(work.ranges)
        self._pipes: list[Connection] = []
        self._processes = []
        for _ in range(count):
            ours, theirs = fork.Pipe()
            process = fork.Process(target=_serve, args=(work, theirs, ours), daemon=True)
            process.start()
            theirs.close()
            self._pipes.append(ours)
            self._processes.append(process)
        ahead = getattr(work.source, "connections", 1) + 1
        for pipe in self._pipes * ahead:
            self._give(pipe)

    def results(self) -> Iterator[RangeResult]:
        """Yield results in order; early ones wait."""
        early: dict[int, RangeResult] = {}
        for index in range(self._total):
            while index not in early:
                self._receive(early)
            yield early.pop(index)

    def stop(self) -> None:
        for process in self._processes:
            process.terminate()
        for process, pipe in zip(self._processes, self._pipes, strict=True):
            process.join()
            pipe.close()

    def _give(self, pipe: Connection) -> None:
        pipe.send(next(self._left, None))

    def _receive(self, early: dict[int, RangeResult]) -> None:
        for pipe in wait(self._pipes):
            assert isinstance(pipe, Connection)  # noqa: S101  # wait() returns what it was given
            try:
                index, result = pipe.recv()
            except EOFError:
                raise WorkerDied(
                    "a process that read the dataset ended early; give the function more memory"
                ) from None
            if isinstance(result, Exception):
                raise result
            early[index] = result
            self._give(pipe)


def _serve(work: FileScan, pipe: Connection, parents_end: Connection) -> None:
    """Scan the ranges that come through the pipe, until a None."""
    parents_end.close()
    taken: deque[int] = deque()

    def tasks() -> Iterator[RangeTask]:
        while (task := pipe.recv()) is not None:
            taken.append(task.position)
            yield task

    try:
        for result in _scan_in_turn(work, tasks()):
            pipe.send((taken.popleft(), result))
    except Exception as error:  # noqa: BLE001  # whatever it is, the parent raises it
        pipe.send((-1, error))
    # The parent ends this process: if it ended itself, the parent would raise WorkerDied.
    with suppress(EOFError):
        while True:
            pipe.recv()
