"""The environment of offline processes, without any of the caller's AWS configuration."""

from __future__ import annotations

import os
from collections.abc import Mapping

from lambdas.domain.run.arns import OFFLINE_ACCOUNT

_FOREIGN_PREFIXES = ("AWS_", "CDK_", "AMAZON_", "BOTO", "MINISTACK_", "POWERTOOLS_", "SFN_", "SLS_")


def scrubbed(environ: Mapping[str, str]) -> dict[str, str]:
    """Return `environ` without anything that could lead an AWS client somewhere."""
    return {k: v for k, v in environ.items() if not k.upper().startswith(_FOREIGN_PREFIXES)}


def offline_variables(endpoint: str, region: str) -> dict[str, str]:
    """Return the variables that point any AWS client at `endpoint` and at nothing else.

    The access key is the account's number: MiniStack takes it as the account, and AWS as invalid,
    so that even a client which ignored the endpoint could not act.
    """
    return {
        "AWS_ACCESS_KEY_ID": OFFLINE_ACCOUNT,
        "AWS_SECRET_ACCESS_KEY": "offline",
        "AWS_DEFAULT_REGION": region,
        "AWS_REGION": region,
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_MAX_ATTEMPTS": "2",
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
    }
