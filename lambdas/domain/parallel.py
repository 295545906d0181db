"""Several questions at a time, in threads: whoever asks mostly waits."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from lambdas.domain.errors import ServiceUnavailable

CONCURRENCY = 8

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")


def in_parallel(act: Callable[[ItemT], ResultT], items: Iterable[ItemT]) -> list[ResultT]:
    """Apply `act` to all items, eight at a time; results are in the items' order.

    The first error ends it: what has not begun is not begun.
    """
    with ThreadPoolExecutor(CONCURRENCY) as pool:
        futures = [pool.submit(act, item) for item in items]
        try:
            return [future.result() for future in futures]
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def each_alone(
    act: Callable[[ItemT], ResultT],
    items: Iterable[ItemT],
    *,
    may_begin: Callable[[], bool],
) -> list[ResultT | Exception]:
    """Apply `act` to all items as `in_parallel` does; an error is the result of its item.

    What `may_begin` denies, because the function's time runs out, gets `ServiceUnavailable`.
    """

    def attempt(item: ItemT) -> ResultT | Exception:
        if not may_begin():
            return ServiceUnavailable("the function ran out of time before it came to this")
        try:
            return act(item)
        except Exception as error:  # noqa: BLE001  # the caller reports it, once all were tried
            return error

    return in_parallel(attempt, items)
