"""Tags that every paid resource carries from its creation, and how they are read."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from lambdas.domain.run.contracts import Run
from lambdas.domain.run.names import PROJECT

ENVIRONMENT = f"{PROJECT}:environment"
RUN = f"{PROJECT}:run"
EXECUTION = f"{PROJECT}:execution"
RELEASE_BY = f"{PROJECT}:release-by"
KEEP = f"{PROJECT}:keep"  # set by a person; clean-up skips what carries it


def tags_of(run: Run, *, release_by: datetime | None = None) -> dict[str, str]:
    """Return the tags of a resource of `run`; `release_by` is when it must be gone, in UTC."""
    tags = {
        **run.tags,
        ENVIRONMENT: run.environment,
        RUN: run.name,
        EXECUTION: run.execution_arn,
    }
    if release_by:
        tags[RELEASE_BY] = release_by.astimezone(UTC).isoformat(timespec="seconds")
    return tags


def release_by_of(tags: Mapping[str, str]) -> datetime | None:
    """Return when the tagged resource must be gone; None where the tag is absent or unreadable."""
    try:
        at = datetime.fromisoformat(tags[RELEASE_BY])
    except (KeyError, ValueError):
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
