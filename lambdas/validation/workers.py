"""Ranges of a file scanned by this process or by several, always in order.

AWS Lambda has no shared memory, which `multiprocessing.Pool` needs: workers are forked and spoken
to through pipes. Each reads its ranges itself, over as many connections as the source asks for.
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

from lambdas.validation.jsonl.blocks import Range, head_of
from lambdas.validation.jsonl.problems import ProblemKey
from lambdas.validation.jsonl.sources import Source
from lambdas.validation.scan import Scanned, Task, scan

LEAST_SHARED_BYTES = 16 * 1024**2  # a smaller file is read before a second process has started


class WorkerDied(Exception):
    """A worker process ended before its work did: most likely it was killed for its memory."""


class Work(NamedTuple):
    """All that a worker needs; it inherits it."""

    task: Task
    source: Source
    ranges: Sequence[Range]
    compares: Callable[[], bool]  # whether records of the next range are still to be compared
    full: Callable[[], frozenset[ProblemKey]] = frozenset  # of what enough problems are kept so far


class Order(NamedTuple):
    """One range to be scanned."""

    place: int  # among the ranges
    compare: bool
    full: frozenset[ProblemKey]


def scan_ranges(work: Work, workers: int) -> Iterator[Scanned]:
    """Yield what each range holds, in order; errors of the source are raised here."""
    if workers <= 1 or work.source.size_bytes < LEAST_SHARED_BYTES:
        yield from _scan_in_turn(work, _orders(work))
        return
    pool = _Workers(work, min(workers, len(work.ranges)))
    try:
        yield from pool.results()
    finally:
        pool.stop()


def _orders(work: Work) -> Iterator[Order]:
    return (Order(index, work.compares(), work.full()) for index in range(len(work.ranges)))


def _scan_in_turn(work: Work, orders: Iterator[Order]) -> Iterator[Scanned]:
    """Scan ranges in this process while the next are read in its threads."""
    connections = getattr(work.source, "connections", 1)
    if connections == 1:
        for order in orders:
            part = work.ranges[order.place]
            yield _scan(work, order, head_of(work.source, part))
        return
    with ThreadPoolExecutor(connections) as readers:
        ahead: deque[tuple[Order, Future[bytes]]] = deque()
        try:
            for order in orders:
                ahead.append((order, readers.submit(_read, work.source, work.ranges[order.place])))
                if len(ahead) > connections:
                    yield _scan_read(work, *ahead.popleft())
            while ahead:
                yield _scan_read(work, *ahead.popleft())
        finally:
            readers.shutdown(cancel_futures=True)


def _read(source: Source, part: Range) -> bytes:
    with head_of(source, part) as stream:
        return stream.read()


def _scan_read(work: Work, order: Order, content: Future[bytes]) -> Scanned:
    return _scan(work, order, io.BytesIO(content.result()))


def _scan(work: Work, order: Order, head: io.BufferedIOBase) -> Scanned:
    task = replace(work.task, compare=order.compare, full=order.full)
    return scan(task, work.source, work.ranges[order.place], head)


class _Workers:
    """Forked processes, each given a range whenever it can take one more."""

    def __init__(self, work: Work, count: int) -> None:
        fork = multiprocessing.get_context("fork")
        self._left = _orders(work)
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

    def results(self) -> Iterator[Scanned]:
        """Yield results in order; those that come too early wait."""
        early: dict[int, Scanned] = {}
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

    def _receive(self, early: dict[int, Scanned]) -> None:
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


def _serve(work: Work, pipe: Connection, parents_end: Connection) -> None:
    """Scan the ranges that are ordered through the pipe, to a None."""
    parents_end.close()
    taken: deque[int] = deque()

    def orders() -> Iterator[Order]:
        while (order := pipe.recv()) is not None:
            taken.append(order.place)
            yield order

    try:
        for result in _scan_in_turn(work, orders()):
            pipe.send((taken.popleft(), result))
    except Exception as error:  # noqa: BLE001  # whatever it is, the parent raises it
        pipe.send((-1, error))
    # The parent ends this process, or it would take the pipe's end for a death.
    with suppress(EOFError):
        while True:
            pipe.recv()
