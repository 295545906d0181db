"""Prepare, check and upload data for a model. `python -m dataset COMMAND --help` says more."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence

from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError

from dataset.commands import generate, prepare, review, upload, validate
from dataset.sources.files import SourceInvalid
from exit_codes import ExitCode
from lambdas.domain.errors import ServiceUnavailable, Throttled, TuningError
from operate.deployed import NotDeployed
from stacks.environment import EnvironmentInvalid

# The modules of commands; the docstring of each is its --help.
_COMMANDS = (generate, prepare, validate, review, upload)
_FAILURES = (
    *(SourceInvalid, EnvironmentInvalid, NotDeployed, TuningError, Throttled, ServiceUnavailable),
    *(ClientError, BotoCoreError, Boto3Error, OSError),
)


def main(arguments: Sequence[str] | None = None) -> ExitCode:
    """Run a command."""
    options = _parser().parse_args(arguments)
    _escape_what_cannot_be_printed()
    try:
        status: ExitCode = options.run(options)
        sys.stdout.flush()
    except BrokenPipeError:  # whatever read the output, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.FAILED
    except _FAILURES as error:
        print(f"error: {error}", file=sys.stderr)
        return ExitCode.ERROR
    except KeyboardInterrupt:
        print("\nInterrupted.", file=sys.stderr)
        return ExitCode.INTERRUPTED
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m dataset", description=__doc__)
    commands = parser.add_subparsers(title="commands", dest="command", required=True)
    for module in _COMMANDS:
        name, description = module.__name__.rpartition(".")[2], module.__doc__ or ""
        command = commands.add_parser(
            name,
            help=description.partition("\n")[0].rstrip("."),
            description=description,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    return parser


def _escape_what_cannot_be_printed() -> None:
    """Print what the terminal's encoding lacks, such as half a surrogate pair, as an escape."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


if __name__ == "__main__":
    sys.exit(main())
