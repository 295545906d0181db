"""What a rehearsal plays, and what is different from a deployment of the same environment."""

from __future__ import annotations

from collections.abc import Iterator

from lambdas.domain.run.arns import OFFLINE_ACCOUNT
from stacks.constructs.target import this_machine
from stacks.environment import Environment


def banner(environment: Environment) -> str:
    return "\n".join(
        [
            f"REHEARSAL of environment {environment.name}, as it would be in {environment.region}:",
            "offline, in simulated time. It touches no AWS account and buys nothing; models,",
            "answers and scores come from a small Bedrock emulator on this machine.",
            *(f"- {each}" for each in differences(environment)),
        ]
    )


def differences(environment: Environment) -> Iterator[str]:
    """Yield what the offline account does in another way than an account of AWS."""
    machine, functions = this_machine(), environment.functions
    pinned = environment.account not in {None, OFFLINE_ACCOUNT}
    yield (
        f"functions run on Python {machine.python} ({machine.architecture}), not "
        f"{functions.python} ({functions.architecture})"
        + (f"; the account is not {environment.account}" if pinned else "")
    )
    if emails := environment.notifications.emails:
        yield (
            f"mails to {', '.join(emails)} become files; on AWS each address first has to confirm "
            "its subscription"
        )
    if environment.permissions_boundary:
        yield (
            f"permissions_boundary {environment.permissions_boundary}: a stand-in allows "
            "everything; what the real one denies shows on AWS only"
        )
    if environment.spending.watch_purchases:
        yield (
            "watch_purchases: there is a CloudTrail trail here; yours needs one that records "
            "management events, else nothing is watched"
        )
