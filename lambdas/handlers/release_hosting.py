"""*Release hosting*: what the run owns goes, of any kind; nothing to release is success."""

from __future__ import annotations

from lambdas.aws.artefacts import IMPATIENT_SECONDS, Artefacts
from lambdas.aws.billing import Billing
from lambdas.aws.hosting import release
from lambdas.domain.run.contracts import GiveBackRequest, Release
from lambdas.domain.run.variables import ArtefactVariables
from lambdas.runtime.step import SecondsLeft, logger, timed_step, variables_of


def release_hosting(request: GiveBackRequest, seconds_left: SecondsLeft) -> Release:
    released = release(request.run.hosting_name, request.now)
    # Were the function ended meanwhile, its next attempt would find nothing to release, nor note.
    if released.found:
        _note(request.run.name, released, seconds_left)
    return released


def _note(run: str, released: Release, seconds_left: SecondsLeft) -> None:
    """Note the release for the bill of a run that is stopped after it."""
    try:
        if seconds_left() > IMPATIENT_SECONDS:
            artefacts = Artefacts.impatient(variables_of(ArtefactVariables).artefact_bucket)
            Billing(artefacts, f"runs/{run}").note(released)
    except Exception:  # noqa: BLE001  # nothing here may fail a release that is done
        logger.exception("the release is not noted; a run stopped now is billed at its most")


handler = timed_step("Release hosting", GiveBackRequest)(release_hosting)
