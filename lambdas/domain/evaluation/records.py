"""Records of what models said, saved as they come, and how many of them may be failures."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from typing import Any, Protocol

from lambdas.domain.errors import RequestRefused, ServiceUnavailable, Throttled

Record = dict[str, Any]  # one line of a JSONL file

# Errors that are recorded in place of one answer; all others end the state.
RECORDED_ERRORS = (RequestRefused, ServiceUnavailable, Throttled)


class Kept(Protocol):
    """Records that are kept one by one."""

    def read(self) -> list[Record]:
        """Return what was kept so far, nothing at the first try."""

    def keep(self, name: str, record: Record) -> None:
        """Keep a record, for good on return, in place of the earlier one of this name."""


class RecordFile(Kept, Protocol):
    """A JSONL file, and beside it the records that it will be made of."""

    @property
    def key(self) -> str: ...

    @property
    def uri(self) -> str: ...

    def write(self, records: Iterable[Record]) -> None:
        """Write the file."""


def error_text(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def too_many(failed: int, total: int, allowed_percent: float) -> bool:
    """Whether more than `allowed_percent` failed; of nothing at all, everything has failed."""
    return total == 0 or failed * 100 > allowed_percent * total


def failure_summary(failed: int, total: int, errors: Iterable[str]) -> str:
    """Say how many of `total` failed and what the most common reason is, of those at hand."""
    percent = math.ceil(failed * 100 / total) if total else 100
    summary = f"{failed} of {total} ({percent} %) failed"
    reasons = Counter(errors).most_common(1)
    if not reasons:
        return summary
    reason, times = reasons[0]
    return f"{summary}, {times} of them with: {reason}"
