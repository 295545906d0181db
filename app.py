"""Entry point of the CDK CLI: `cdk synth -c env=dev`. It reads one TOML file and nothing else.

With credentials of the offline AWS, any environment is deployed there, and can be nowhere else.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime

from lambdas.domain.run.arns import OFFLINE_ACCOUNT
from stacks.application import new_app, populate
from stacks.environment import EnvironmentInvalid, lifecycle_warnings, load


def main() -> None:
    # The CLI asks STS for the account.
    is_offline = os.environ.get("CDK_DEFAULT_ACCOUNT") == OFFLINE_ACCOUNT
    app = new_app(checked=not is_offline)  # half of a synth; offline nothing reaches AWS
    try:
        environment = load(app.node.try_get_context("env"))
    except EnvironmentInvalid as error:
        sys.exit(f"error: {error}")
    today = datetime.now(tz=UTC).date()
    populate(
        app,
        environment.offline() if is_offline else environment,
        warnings=lifecycle_warnings(environment, today),
    )
    app.synth()


if __name__ == "__main__":
    main()
