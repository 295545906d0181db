"""Identities of executions, map runs and tokens: as AWS's look, from what they belong to."""

from __future__ import annotations

import hashlib
import uuid


def identity(*of: object) -> str:
    """Return what looks like a random UUID, and is the same for the same arguments."""
    digest = hashlib.sha256("\0".join(map(str, of)).encode()).digest()
    return str(uuid.UUID(bytes=digest[:16], version=4))
