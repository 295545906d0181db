"""The simulated clock: waits are skipped, computing holds it, and events have one order."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from local.clock import SimulatedClock, take

START = 1_000_000.0
HOUR = 3600.0


@pytest.fixture
def clock() -> Iterator[SimulatedClock]:
    clock = SimulatedClock(start=START)
    yield clock
    clock.stop()


def test_waiting_is_skipped(clock: SimulatedClock) -> None:
    began = time.monotonic()
    clock.advance(10 * HOUR)
    assert clock.time() == pytest.approx(START + 10 * HOUR, abs=5)
    assert time.monotonic() - began < 5


def test_nothing_happens_and_no_time_passes_while_somebody_computes(clock: SimulatedClock) -> None:
    happened: list[float] = []
    with clock.computing():
        clock.at(clock.time(), lambda: happened.append(clock.time()), name="now")
        clock.at(START + HOUR, lambda: happened.append(clock.time()), name="later")
        until = clock.time()
        time.sleep(0.2)
        assert (happened, clock.time()) == ([], until)
    clock.settle()
    assert happened == [until, START + HOUR]


def test_events_fall_due_on_the_way_and_in_order(clock: SimulatedClock) -> None:
    seen: list[tuple[str, float]] = []
    clock.call_at(START + 2 * HOUR, lambda: seen.append(("later", clock.time())))
    clock.call_at(START + HOUR, lambda: seen.append(("sooner", clock.time())))
    clock.call_at(START + 9 * HOUR, lambda: seen.append(("beyond", clock.time())))
    clock.advance(3 * HOUR)
    assert [name for name, _ in seen] == ["sooner", "later"]
    assert seen[0][1] == START + HOUR


class Rings:
    """An alarm that rings every so many hours."""

    def __init__(self, clock: SimulatedClock, hours: float) -> None:
        self._clock, self._hours = clock, hours
        self.rang: list[float] = []

    def due(self) -> float | None:
        return START + HOUR * self._hours * (len(self.rang) + 1)

    def ring(self) -> None:
        self.rang.append((self._clock.time() - START) / HOUR)


def test_no_alarm_is_jumped_over(clock: SimulatedClock) -> None:
    often, seldom = Rings(clock, 1), Rings(clock, 1.5)
    clock.alarms.append(often)
    clock.alarms.append(seldom)
    clock.advance(3.5 * HOUR)
    assert (often.rang, seldom.rang) == ([1, 2, 3], [1.5, 3])


def order_of(seed: int, before: int = 0) -> list[str]:
    clock = SimulatedClock(start=START, seed=seed, idle_runs=False)
    happened: list[str] = []
    with clock.computing():
        for _ in range(before):
            clock.at(clock.time(), lambda: None, name="something else")
        for name in "abcdefgh":
            clock.at(START + 1, functools.partial(happened.append, name), name=name)
    clock.settle()
    clock.stop()
    return happened


def test_the_seed_decides_between_events_of_one_time() -> None:
    assert order_of(1) == order_of(1) != order_of(2)
    assert order_of(1, before=5) == order_of(1), "what else happens changes nothing"


def test_an_idle_clock_runs_as_real_time_does_or_stands() -> None:
    running, standing = SimulatedClock(START), SimulatedClock(START, idle_runs=False)
    rang = threading.Event()
    running.call_at(START + 0.1, rang.set)
    running.call_at(START + HOUR, lambda: None)
    time.sleep(0.2)
    assert rang.wait(5)
    assert START < running.time() < START + 60
    assert standing.time() == START
    for clock in (running, standing):
        clock.stop()


@pytest.mark.slow
def test_a_pace_lets_people_follow_unless_they_hurry() -> None:
    clock = SimulatedClock(START, pace=HOUR)
    began = time.monotonic()
    with clock.computing() as hold:
        hold.sleep(HOUR / 2)
    assert 0.4 < time.monotonic() - began < 5
    began = time.monotonic()
    clock.advance(100 * HOUR)
    assert time.monotonic() - began < 5
    clock.stop()


def test_what_is_dropped_does_not_happen_and_nobody_waits_for_it(clock: SimulatedClock) -> None:
    happened: list[str] = []
    event = clock.at(START + HOUR, lambda: happened.append("it"), name="it")
    clock.drop(event)
    clock.drop(event)
    clock.settle()
    assert clock.time() < START + 60
    clock.advance(2 * HOUR)
    assert happened == []


def test_forgetting_drops_what_nobody_waits_for(clock: SimulatedClock) -> None:
    happened: list[str] = []
    with clock.computing():
        clock.call_at(START + 1, lambda: happened.append("forgotten"))
        clock.at(START + 2, lambda: happened.append("waited for"), name="waited for")
        clock.forget()
    clock.settle()
    assert happened == ["waited for"]


def test_computing_inside_of_computing_holds_once(clock: SimulatedClock) -> None:
    """Letting time pass in the inner one lets go of the clock all the same."""
    with clock.computing(), clock.computing():
        clock.advance(HOUR)
        assert clock.is_computing
    assert not clock.is_computing
    assert clock.time() == pytest.approx(START + HOUR, abs=5)


def test_an_event_that_fails_ends_the_simulation_for_everybody(clock: SimulatedClock) -> None:
    def fail() -> None:
        raise KeyError("a bug")

    clock.call_at(START + HOUR, fail)
    with pytest.raises(RuntimeError, match="ended with an error") as error:
        clock.advance(2 * HOUR)
    assert isinstance(error.value.__cause__, KeyError)
    with pytest.raises(RuntimeError, match="ended with an error"):
        clock.at(clock.time(), lambda: None, name="never")


def in_thread(act: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=act, daemon=True)
    thread.start()
    return thread


def test_what_an_event_does_aside_holds_the_clock_but_for_its_sleeps(
    clock: SimulatedClock,
) -> None:
    seen: list[float] = []

    def act() -> None:
        time.sleep(0.1)
        seen.append(clock.time())
        with clock.computing() as hold:
            hold.sleep(HOUR)
        time.sleep(0.1)
        seen.append(clock.time())

    clock.at(START + 1, lambda: clock.aside(act, "act"), name="act")
    clock.at(START + HOUR, lambda: seen.append(0), name="beside")
    clock.settle()
    assert seen == [START + 1, 0, START + HOUR + 1]
    assert clock.time() == pytest.approx(START + HOUR + 1, abs=1)


def test_what_fails_aside_ends_the_simulation(clock: SimulatedClock) -> None:
    def fail() -> None:
        raise KeyError("a bug")

    clock.aside(fail, "fail")
    with pytest.raises(RuntimeError, match="ended with an error"):
        clock.advance(HOUR)


def test_what_fails_after_the_first_failure_does_not_hide_it(clock: SimulatedClock) -> None:
    def fail(error: Exception) -> None:
        raise error

    for error in (KeyError("a bug"), ValueError("what comes of it")):
        clock.aside(functools.partial(fail, error), "fail")
        time.sleep(0.1)
    with pytest.raises(RuntimeError) as told:
        clock.settle()
    assert isinstance(told.value.__cause__, KeyError)


def test_threads_of_a_process_sleep_at_once(clock: SimulatedClock) -> None:
    woke_at: dict[float, float] = {}
    together = threading.Barrier(3)  # or the clock jumps before a busy machine starts them all

    def sleep(seconds: float) -> None:
        together.wait()
        process.sleep(seconds)
        woke_at[seconds] = clock.time()

    with clock.computing() as process:
        process.is_at_rest = lambda: False  # unknown
        threads = [in_thread(functools.partial(sleep, s)) for s in (HOUR, 60.0, 2 * HOUR)]
        for thread in threads:
            thread.join(timeout=10)
    assert [round((woke_at[s] - START) / 60) for s in sorted(woke_at)] == [1, 60, 120]


def test_a_process_holds_the_clock_while_one_thread_sleeps_and_another_calls(
    clock: SimulatedClock,
) -> None:
    with clock.computing() as process:
        process.is_at_rest = lambda: False  # unknown
        with process.calling():
            sleeper = in_thread(lambda: process.sleep(HOUR))
            time.sleep(0.2)
            called_until = clock.time()
        sleeper.join(timeout=10)
    assert called_until < START + 60
    assert clock.time() == pytest.approx(START + HOUR, abs=5)


def test_a_process_that_is_killed_in_its_sleep_holds_the_clock_until_it_is_noticed(
    clock: SimulatedClock,
) -> None:
    with clock.computing() as process:
        process.is_at_rest = lambda: False  # unknown
        sleeper = in_thread(lambda: process.sleep(HOUR))
        clock.call_at(START + 60, process.wake)
        sleeper.join(timeout=10)
        time.sleep(0.1)
        assert clock.time() == pytest.approx(START + 60, abs=5)
        process.sleep(60)
    assert clock.time() == pytest.approx(START + 120, abs=5)


def test_the_end_of_a_process_ends_its_sleeps_and_its_hold(clock: SimulatedClock) -> None:
    """Killed in its sleep, with a call under way: neither moves nor holds the clock any more."""
    with clock.computing() as process:
        process.is_at_rest = lambda: False  # unknown
        calling = process.calling()
        calling.__enter__()
        sleeper = in_thread(lambda: process.sleep(HOUR))
        time.sleep(0.05)
    sleeper.join(timeout=10)
    calling.__exit__(None, None, None)
    assert not sleeper.is_alive()
    assert not clock.is_computing
    assert clock.time() < START + 60
    clock.advance(HOUR)
    assert clock.time() == pytest.approx(START + HOUR, abs=5)


def test_what_calls_of_a_process_are_made_to_take_counts_once(clock: SimulatedClock) -> None:
    with clock.computing() as process:
        take(0.01)  # in no call of it
        assert process.spent == 0
        with process.calling():
            take(0.01)
        assert process.spent == pytest.approx(0.01)
        for began, ended in ((50, 51), (50.5, 51.5), (53, 54)):
            process.spend(START + began, START + ended)
    assert process.spent == pytest.approx(2.51)


def test_a_process_that_is_seen_to_compute_nothing_is_not_waited_for(
    clock: SimulatedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("local.clock._QUIET_SECONDS", HOUR)
    glances = iter([False, True, False, False])
    with clock.computing() as process:
        process.is_at_rest = lambda: next(glances, True)
        sleeper = in_thread(lambda: process.sleep(HOUR))
        sleeper.join(timeout=10)
    assert not sleeper.is_alive()
    assert next(glances, None) is None
