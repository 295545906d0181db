"""EventBridge, Scheduler, SNS and SQS on the simulated clock."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from time import gmtime
from types import ModuleType, SimpleNamespace
from typing import Any

from ministack.services import eventbridge, scheduler, sns, sqs

from local.clock import SimulatedClock

_NEVER_SECONDS = 10.0**9
_ROUNDING_SECONDS = 0.001  # what is due by its own reckoning has to be due by MiniStack's


def ring_schedules_on_the_clock(clock: SimulatedClock) -> None:
    """Replace the polling threads by alarms, and the modules' time by the clock's."""
    for module, tick, interval in (
        (eventbridge, "_tick_scheduled_rules", "_SCHEDULER_TICK_INTERVAL"),
        (scheduler, "_tick_schedules", "_SCHEDULE_TICK_INTERVAL"),
    ):
        module.time = SimpleNamespace(time=clock.time, sleep=module.time.sleep)
        setattr(module, interval, _NEVER_SECONDS)  # the stock thread sleeps; the alarm ticks
        clock.alarms.append(_Schedules(module, tick))


def date_messages_by_the_clock(clock: SimulatedClock) -> None:
    """Date SNS and SQS messages by the simulated clock.

    SQS hides what is of the future, and drops what is older than its retention period.
    """
    for module in (sns, sqs):
        stock = module.time
        module.time = SimpleNamespace(
            time=clock.time, strftime=stock.strftime, gmtime=lambda: gmtime(clock.time())
        )


class _Schedules:
    def __init__(self, module: ModuleType, tick: str) -> None:
        self._module, self._tick = module, tick

    def due(self) -> float | None:
        due = min(self._times(), default=None)
        return None if due is None else due + _ROUNDING_SECONDS

    def ring(self) -> None:
        getattr(self._module, self._tick)()

    def _times(self) -> Iterator[float]:
        rules = self._module is eventbridge
        store: Any = eventbridge._rules if rules else scheduler._schedules
        fired: Any = eventbridge._rule_last_fired if rules else scheduler._schedule_last_fired
        for key, record in list(store._data.items()):
            expression = record.get("ScheduleExpression", "")
            if record.get("State") != "ENABLED" or not expression:
                continue
            # Stock gives a rule of a stack no date: overdue, it begins its count now.
            created = record.get("CreationTime", record.get("CreationDate", 0))
            when = _next(expression, fired.get(key), float(created))
            if when is not None:
                yield when


def _next(expression: str, fired: float | None, created: float) -> float | None:
    at: float | None = scheduler._at_time_epoch(expression)
    if at is not None:
        return at if fired is None else None
    interval = eventbridge._parse_rate_seconds(expression)
    if interval is not None:
        return (fired if fired is not None else created) + float(interval)
    fields = eventbridge._parse_cron_fields(expression)
    if fields is None:
        return None
    if fired is None:
        return created  # the first tick only starts the count
    upcoming = eventbridge._cron_next_fire(fields, datetime.fromtimestamp(fired, UTC))
    return upcoming.timestamp() if upcoming else None
