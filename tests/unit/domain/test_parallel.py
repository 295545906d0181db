from __future__ import annotations

import threading

from lambdas.domain.parallel import CONCURRENCY, in_parallel


def test_no_more_than_eight_are_asked_at_a_time() -> None:
    barrier = threading.Barrier(CONCURRENCY)  # breaks unless eight come together
    running, most = [0], [0]
    lock = threading.Lock()

    def act(item: int) -> int:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        barrier.wait(timeout=5)
        with lock:
            running[0] -= 1
        return item * item

    assert in_parallel(act, range(16)) == [i * i for i in range(16)]
    assert most[0] == CONCURRENCY
