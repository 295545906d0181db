"""Command line: `python -m dataset COMMAND`; each command says more with --help."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence

from dataset.commands import generate, prepare, review, upload, validate
from dataset.commands.statuses import INTERRUPTED

# Each module has add_parser(subparsers) and run(options) -> exit status.
_COMMANDS = {
    "generate": generate,
    "prepare": prepare,
    "validate": validate,
    "review": review,
    "upload": upload,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; its exit status is 0 where all is well, 1 where not, 2 for bad usage."""
    parser = argparse.ArgumentParser(prog="python -m dataset", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="command")
    for command in _COMMANDS.values():
        command.add_parser(commands)
    options = parser.parse_args(arguments)
    _print_whatever_the_data_holds()
    try:
        status: int = _COMMANDS[options.command].run(options)
    except KeyboardInterrupt:
        sys.stderr.write("\nInterrupted.\n")
        return INTERRUPTED
    return status


def _print_whatever_the_data_holds() -> None:
    """Print what the terminal's encoding has not, such as half a surrogate pair, as an escape."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


if __name__ == "__main__":
    try:
        ended = main()
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read the output, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        ended = 1
    sys.exit(ended)
