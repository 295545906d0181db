"""Tags that every paid resource carries from its creation on."""

from __future__ import annotations

from datetime import UTC, datetime

from lambdas.domain.contracts import Run

ENVIRONMENT = "bedrock-tuning:environment"
RUN = "bedrock-tuning:run"
RELEASE_BY = "bedrock-tuning:release-by"


def tags_of(run: Run, *, release_by: datetime | None = None) -> dict[str, str]:
    """Return the tags of a resource of `run`; `release_by` is when it must be gone, in UTC."""
    tags = {ENVIRONMENT: run.environment, RUN: run.name}
    if release_by:
        tags[RELEASE_BY] = release_by.astimezone(UTC).isoformat(timespec="seconds")
    return tags
