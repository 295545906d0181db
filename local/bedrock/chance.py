"""Chance that follows from a scenario's seed and from names or texts, and from nothing else.

The same request meets the same luck whatever was called before it, in any process.
"""

from __future__ import annotations

import hashlib
import json
from statistics import NormalDist

_BITS = 52  # of what a float between 0 and 1 holds


def share(seed: int, *names: str) -> float:
    """Return a number between 0 and 1, neither of them included."""
    digest = hashlib.sha256(json.dumps([seed, *names]).encode()).digest()
    return ((int.from_bytes(digest[:8], "big") >> (64 - _BITS)) + 0.5) / float(1 << _BITS)


def normal(seed: int, *names: str) -> float:
    """Return a number of the standard normal distribution."""
    return NormalDist().inv_cdf(share(seed, *names))


def happens(seed: int, percent: float, *names: str) -> bool:
    """Say whether something that befalls so many percent befalls this one."""
    return 100 * share(seed, *names) < percent
