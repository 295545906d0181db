from __future__ import annotations

import threading

from lambdas.domain.errors import ServiceUnavailable
from lambdas.domain.parallel import CONCURRENCY, each_alone, in_parallel


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


def test_an_error_is_the_result_of_its_item_alone() -> None:
    answers = each_alone(lambda n: 1 // n, [1, 0, 1], may_begin=lambda: True)
    assert answers[0] == answers[2] == 1
    assert isinstance(answers[1], ZeroDivisionError)


def test_nothing_is_begun_once_the_time_is_up() -> None:
    begun: list[int] = []
    [answer] = each_alone(begun.append, [1], may_begin=lambda: False)
    assert isinstance(answer, ServiceUnavailable)
    assert begun == []
