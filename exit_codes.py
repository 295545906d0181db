"""The exit codes of every command; beside `app.py`, because no layer owns them and all use them."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    OK = 0
    FAILED = 1  # the command did its work, and the answer is no
    ERROR = 2  # the command could not do its work: bad usage, unreadable input, no access
    INTERRUPTED = 130  # as a shell reports a command that Ctrl-C ended
