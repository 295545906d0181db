"""*Release throughput*: the meter stops here; nothing to release is success."""

from __future__ import annotations

from datetime import datetime

from lambdas.aws.throughputs import Throughputs
from lambdas.domain.hosting.throughput import Capacity, minutes_between
from lambdas.domain.run.contracts import Release, StateRequest
from lambdas.runtime.step import logger, step


def release(name: str, now: datetime, throughputs: Throughputs | None = None) -> Release:
    """Delete the throughput called `name`.

    It has billed until AWS answered that it is deleted: a state that had to ask for an hour was
    entered an hour before, at `now`.
    """
    throughputs = throughputs or Throughputs()
    capacity = _look(throughputs, name)
    deletion = throughputs.delete(
        capacity.arn if capacity else name, changing=capacity is not None and capacity.is_changing
    )
    until = max(deletion.at or now, now)
    billed = capacity is not None and deletion.found
    return Release(
        found=deletion.found,
        throughput_arn=capacity.arn if capacity else None,
        billed_minutes=minutes_between(capacity.created_at, until) if capacity and billed else None,
    )


def release_throughput(request: StateRequest) -> Release:
    return release(request.run.throughput_name, request.now)


def _look(throughputs: Throughputs, name: str) -> Capacity | None:
    """Return what is known of the capacity; that it cannot be read must not keep it alive."""
    try:
        return throughputs.find(name)
    except Exception:  # noqa: BLE001  # whatever it was, the delete call must come
        logger.exception("could not look at the throughput; deleting it by its name")
        return None


handler = step("Release throughput", StateRequest)(release_throughput)
