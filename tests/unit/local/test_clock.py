"""The simulated clock: waits are skipped, computing is not, and everybody sees one time."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from local.clock import SimulatedClock

HOUR = 3600.0


@pytest.fixture
def clock() -> Iterator[SimulatedClock]:
    clock = SimulatedClock(start=1_000_000.0)
    yield clock
    clock.stop()


def test_waiting_is_skipped(clock: SimulatedClock) -> None:
    began = time.monotonic()
    clock.advance(10 * HOUR)
    assert clock.time() == pytest.approx(1_000_000 + 10 * HOUR, abs=5)
    assert time.monotonic() - began < 5


def test_computing_is_not_skipped(clock: SimulatedClock) -> None:
    """While one branch computes, another one's hour must not pass."""
    woke_at: list[float] = []

    def wait_an_hour() -> None:
        with clock.computing():
            clock.sleep(HOUR)
        woke_at.append(clock.time())

    with clock.computing():
        sleeper = threading.Thread(target=wait_an_hour)
        sleeper.start()
        time.sleep(0.3)
        computed_until = clock.time()
    sleeper.join(timeout=10)
    assert computed_until < 1_000_000 + 60
    assert woke_at[0] == pytest.approx(1_000_000 + HOUR, abs=5)


def test_two_branches_that_wait_agree_on_the_time(clock: SimulatedClock) -> None:
    woke_at: dict[float, float] = {}

    def wait(seconds: float) -> None:
        clock.sleep(seconds)
        woke_at[seconds] = clock.time()
        clock.end_computing()

    with clock.computing():
        branches = [threading.Thread(target=wait, args=(s,)) for s in (600.0, 3 * HOUR)]
        for branch in branches:
            clock.begin_computing()
            branch.start()
    for branch in branches:
        branch.join(timeout=10)
    assert woke_at[600.0] == pytest.approx(1_000_000 + 600, abs=5)
    assert woke_at[3 * HOUR] == pytest.approx(1_000_000 + 3 * HOUR, abs=5)


def test_deadlines_fall_due_on_the_way_and_in_order(clock: SimulatedClock) -> None:
    seen: list[tuple[str, float]] = []
    clock.call_at(1_000_000 + 2 * HOUR, lambda: seen.append(("later", clock.time())))
    clock.call_at(1_000_000 + HOUR, lambda: seen.append(("sooner", clock.time())))
    clock.call_at(1_000_000 + 9 * HOUR, lambda: seen.append(("beyond", clock.time())))
    clock.advance(3 * HOUR)
    assert [name for name, _ in seen] == ["sooner", "later"]
    assert seen[0][1] == pytest.approx(1_000_000 + HOUR, abs=5)


def test_an_alarm_is_never_jumped_over(clock: SimulatedClock) -> None:
    class Hourly:
        def __init__(self) -> None:
            self.rang: list[float] = []

        def due(self) -> float | None:
            return 1_000_000 + HOUR * (len(self.rang) + 1)

        def ring(self) -> None:
            self.rang.append(clock.time())

    hourly = Hourly()
    clock.add_alarm(hourly)
    clock.advance(3.5 * HOUR)
    assert [round((at - 1_000_000) / HOUR) for at in hourly.rang] == [1, 2, 3]


def test_nothing_is_skipped_while_nobody_waits(clock: SimulatedClock) -> None:
    """An idle offline AWS must not race to the next deadline."""
    clock.call_at(1_000_000 + HOUR, lambda: None)
    time.sleep(0.2)
    assert clock.time() < 1_000_000 + 60


def test_a_stopped_sleeper_wakes_and_moves_no_time(clock: SimulatedClock) -> None:
    stopped = threading.Event()
    stopped.set()
    with clock.computing():
        clock.sleep_until(1_000_000 + 9 * HOUR, unless=stopped.is_set)
    assert clock.time() < 1_000_000 + 60


def test_a_deadline_holds_while_what_it_limits_goes_on(clock: SimulatedClock) -> None:
    seen: list[str] = []
    with clock.deadline(1_000_000 + HOUR, lambda: seen.append("passed")):
        clock.advance(2 * HOUR)
    with clock.deadline(1_000_000 + 3 * HOUR, lambda: seen.append("kept")):
        pass
    clock.advance(2 * HOUR)
    assert seen == ["passed"]


def test_computing_inside_of_computing_holds_once(clock: SimulatedClock) -> None:
    """A sleep in the inner one lets go of the clock all the same."""
    began = time.monotonic()
    with clock.computing(), clock.computing():
        clock.sleep(HOUR)
    assert time.monotonic() - began < 5
    assert not clock.is_computing


def in_thread(act: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=act, daemon=True)
    thread.start()
    return thread


def test_a_process_that_computes_holds_the_clock_instead_of_who_waits_for_it(
    clock: SimulatedClock,
) -> None:
    clock.begin_computing()  # by whoever starts the thread below
    with clock.handed_over(), clock.process() as process:
        assert clock.is_computing
        process.sleep(HOUR)
    assert clock.time() == pytest.approx(1_000_000 + HOUR, abs=5)
    assert clock.is_computing
    clock.end_computing()
    assert not clock.is_computing


def test_threads_of_a_process_sleep_at_once(clock: SimulatedClock) -> None:
    woke_at: dict[float, float] = {}
    together = threading.Barrier(3)  # or the clock jumps before a busy machine starts them all

    def sleep(seconds: float) -> None:
        together.wait()
        process.sleep(seconds)
        woke_at[seconds] = clock.time()

    with clock.process() as process:
        threads = [in_thread(functools.partial(sleep, s)) for s in (HOUR, 60.0, 2 * HOUR)]
        for thread in threads:
            thread.join(timeout=10)
    assert [round((at - 1_000_000) / 60) for at in sorted(woke_at.values())] == [1, 60, 120]


def test_a_process_holds_the_clock_while_one_thread_sleeps_and_another_calls(
    clock: SimulatedClock,
) -> None:
    with clock.process() as process:
        with process.calling():
            sleeper = in_thread(lambda: process.sleep(HOUR))
            time.sleep(0.2)
            called_until = clock.time()
        sleeper.join(timeout=10)
    assert called_until < 1_000_000 + 60
    assert clock.time() == pytest.approx(1_000_000 + HOUR, abs=5)


def test_a_process_that_is_killed_in_its_sleep_holds_the_clock_until_it_is_noticed(
    clock: SimulatedClock,
) -> None:
    with clock.process() as process:
        sleeper = in_thread(lambda: process.sleep(HOUR))
        clock.call_at(1_000_000 + 60, process.wake)
        sleeper.join(timeout=10)
        time.sleep(0.1)
        assert clock.time() == pytest.approx(1_000_000 + 60, abs=5)
        process.sleep(60)
    assert clock.time() == pytest.approx(1_000_000 + 120, abs=5)


def test_the_end_of_a_process_ends_its_sleeps_and_its_hold(clock: SimulatedClock) -> None:
    """Killed in its sleep, with a call under way: neither moves nor holds the clock any more."""
    with clock.process() as process:
        calling = process.calling()
        calling.__enter__()
        sleeper = in_thread(lambda: process.sleep(HOUR))
        time.sleep(0.05)
    sleeper.join(timeout=10)
    calling.__exit__(None, None, None)
    assert not sleeper.is_alive()
    assert not clock.is_computing
    assert clock.time() < 1_000_000 + 60
    clock.advance(HOUR)
    assert clock.time() == pytest.approx(1_000_000 + HOUR, abs=5)
