"""Entry point of the CDK CLI: `cdk synth -c env=dev`. It reads one TOML file and nothing else."""

from __future__ import annotations

import sys

from stacks.application import new_app, populate
from stacks.environment import EnvironmentInvalid, load


def main() -> None:
    app = new_app()
    try:
        environment = load(app.node.try_get_context("env"))
    except EnvironmentInvalid as error:
        sys.exit(f"error: {error}")
    populate(app, environment)
    app.synth()


if __name__ == "__main__":
    main()
