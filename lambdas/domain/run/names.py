"""Names of everything that one execution owns in AWS.

They follow from the environment and the execution alone: a retry cannot start a second job or buy a
second throughput, and the guard finds what an aborted run left behind. Each satisfies the pattern
of the API that takes it: lower-case letters, digits and single dashes. The last four digits tell
whose it is where a resource has lost its tags.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Annotated

from pydantic import StringConstraints

PROJECT = "bedrock-tuning"
_SLUG_LENGTH = 27
# Of the 80 characters that a name has at most, those that StartExecution and Bedrock's tags both
# take; the whole ARN has then fewer than the 256 that a tag holds. API references, read 2026-11-28:
# StartExecution of Step Functions, Tag of Amazon Bedrock.
_TAGGABLE = re.compile(r"[A-Za-z0-9._=+@-]{1,80}")
_HASH_LENGTH = 8  # of the execution's ARN
_CHECK_LENGTH = 4  # of the environment and all before it
_ENVIRONMENT_PATTERN = r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$"
MAX_ENVIRONMENT_LENGTH = 15  # a bucket's name, the longest built from it, has 63 at most
EnvironmentName = Annotated[
    str, StringConstraints(pattern=_ENVIRONMENT_PATTERN, max_length=MAX_ENVIRONMENT_LENGTH)
]


@dataclass(frozen=True)
class ResourceNames:
    """Names of what one run owns; see `names_of`."""

    run: str
    job: str
    custom_model: str
    hosting: str
    client_token: str


def can_be_found_by(execution_name: str) -> bool:
    """Whether the tag that leads from a resource to its execution can hold this name.

    AWS takes parentheses and other scripts in the name of an execution, but not in a tag.
    """
    return _TAGGABLE.fullmatch(execution_name) is not None


def names_of(environment: str, execution_name: str, execution_arn: str) -> ResourceNames:
    """Derive the names of an execution.

    `environment` is an `EnvironmentName`.
    """
    digest = hashlib.sha256(execution_arn.encode()).hexdigest()
    run = f"{_slug(execution_name)}-{digest[:_HASH_LENGTH]}"
    run += _check(environment, run)
    name = custom_model_of(environment, run)
    return ResourceNames(
        run=run,
        job=name,
        custom_model=name,
        hosting=name,
        client_token=f"{environment}-{digest[:40]}",
    )


def custom_model_of(environment: str, run: str) -> str:
    """Return the name of a run's custom model."""
    return f"{environment}-{run}"


def is_name_of(environment: str, name: str) -> bool:
    """Whether `names_of` made the name of a job, a model or hosting for this environment.

    "dev-2-first-…" is of "dev-2" and not of "dev": the last four digits of a name follow from the
    environment and the rest.
    """
    made, check = name[:-_CHECK_LENGTH], name[-_CHECK_LENGTH:]
    run = made.removeprefix(f"{environment}-")
    return run != made and check == _check(environment, run)


def _check(environment: str, run: str) -> str:
    return hashlib.sha256(f"{environment}/{run}".encode()).hexdigest()[:_CHECK_LENGTH]


def _slug(text: str) -> str:
    words = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    return words[:_SLUG_LENGTH].rstrip("-") or "run"
