"""Exit statuses of the dataset commands."""

from __future__ import annotations

VALID, INVALID, CANNOT_TELL = 0, 1, 2
INTERRUPTED = 130  # as a shell reports a command that Ctrl-C ended
