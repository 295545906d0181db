"""`make doctor ENV=name`: whether the account is ready for the environment, and what is missing.

Asks AWS, with the caller's credentials, before or after deploying; it changes nothing, and two
answers of one token each are all that it pays for. Every line says what AWS answered and what that
means: ok, note, FIX (must be done), ? (AWS did not say).
Exit status: 0 nothing must be fixed; 1 something must; 2 bad usage, or AWS did not answer all.
"""

from __future__ import annotations

import argparse
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from exit_codes import ExitCode
from operate.checks.account import ACCOUNT_CHECKS
from operate.checks.deployment import DEPLOYMENT_CHECKS
from operate.checks.finding import Account, Check, Finding, Verdict, code_of
from operate.checks.models import model_checks
from operate.checks.unconfirmed import UNCONFIRMED_CHECKS
from operate.credentials import explained
from stacks.environment import Environment, EnvironmentInvalid, load

_WIDTH = 100
_INDENT = " " * 8
_DENIED = {"AccessDenied", "AccessDeniedException", "AuthorizationError", "UnauthorizedOperation"}


def main(arguments: Sequence[str] | None = None) -> ExitCode:
    parser = argparse.ArgumentParser(prog="make doctor", description=__doc__)
    parser.add_argument("--env", required=True, metavar="NAME")
    options = parser.parse_args(arguments)
    try:
        account = _account(load(options.env))
    except (EnvironmentInvalid, ClientError, BotoCoreError) as error:
        print(f"error: {explained(error)}", file=sys.stderr)
        return ExitCode.ERROR
    return _say_all(examine(account))


def _account(environment: Environment) -> Account:
    sts: Any = boto3.client("sts", region_name=environment.region)
    return Account(environment, sts.get_caller_identity()["Account"], datetime.now(UTC))


def examine(account: Account) -> Iterator[Finding]:
    """Yield all findings; a question that fails is a finding too."""
    checks = (*ACCOUNT_CHECKS, *model_checks(account), *DEPLOYMENT_CHECKS, *UNCONFIRMED_CHECKS)
    for check in checks:
        yield from _asked(check, account)


def _asked(check: Check, account: Account) -> Iterator[Finding]:
    try:
        yield from check.ask(account)
    except Exception as error:  # noqa: BLE001  # whatever it is, the other questions are asked too
        denied = "your credentials may not ask this: " if code_of(error) in _DENIED else ""
        text = " ".join(str(error).split())
        yield Finding(Verdict.UNKNOWN, check.what, code_of(error), f"{denied}{text}")


def _say_all(findings: Iterable[Finding]) -> ExitCode:
    verdicts = []
    for finding in findings:
        verdicts.append(finding.verdict)
        print(_text(finding), flush=True)
    fixes, unknown = verdicts.count(Verdict.FIX), verdicts.count(Verdict.UNKNOWN)
    print(f"\n{fixes} to fix, {unknown} without an answer. docs/first-day.md says more.")
    if fixes:
        return ExitCode.FAILED
    return ExitCode.ERROR if unknown else ExitCode.OK


def _text(finding: Finding) -> str:
    head = f"{finding.verdict.value:<{len(_INDENT)}}{finding.what}: {finding.found}"
    first, rest = _lines(head), _lines(_INDENT + finding.means) if finding.means else []
    return "\n".join([*first, *rest])


def _lines(text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, subsequent_indent=_INDENT)


if __name__ == "__main__":
    sys.exit(main())
