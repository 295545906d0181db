"""What a run has begun to pay for and has cost, under its prefix in the artefact bucket."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from pydantic import ValidationError

from lambdas.aws.artefacts import Artefacts
from lambdas.aws.clients import refused_at_once
from lambdas.domain.cost.actuals import NOTHING_BOUGHT, Bill, bill_at_most, bill_of, unfinished
from lambdas.domain.cost.quote import HOSTING, Quote
from lambdas.domain.data_review.results import DataReview, ReviewSummary
from lambdas.domain.errors import TuningError
from lambdas.domain.run.contracts import Release
from lambdas.domain.run.names import PROJECT
from lambdas.validation.screening import COMPREHEND

_logger = logging.getLogger(PROJECT)  # the one that `lambdas.runtime` sets up


def _begun(kind: str, now: datetime) -> dict[str, object]:
    return {"kind": kind, "since": now.isoformat()}


@dataclass(frozen=True)
class Billing:
    """One run's; methods raise what those of `Artefacts` raise."""

    artefacts: Artefacts
    prefix: str  # "runs/<run>"

    def begin(self, kind: str, now: datetime) -> bool:
        """Note, before the first call that pays for it, since when `kind` may be billed.

        Returns False if an earlier call has noted it.
        """
        return self.artefacts.put_json_once(self._note(kind), _begun(kind, now))

    @contextmanager
    def creating(self, kind: str, operation: str, now: datetime) -> Iterator[None]:
        """Begin `kind`, and note if AWS refuses its first and only call of `operation`.

        Then nothing was made. Where an earlier call has begun, it may have been made by that one.
        """
        is_first = self.begin(kind, now)
        try:
            yield
        except TuningError as error:  # no other is final: the next attempt may succeed
            if is_first and refused_at_once(error, operation):
                self._note_refusal(kind, now)
            raise

    def note(self, release: Release) -> None:
        """Note a release: an execution that is stopped later cannot tell the guard of it."""
        self.artefacts.put_json(self._released, release.model_dump(mode="json"))

    def bill_of_unfinished(self, release: Release | None) -> Bill:
        """Return the bill of a run that failed or was stopped.

        `release` is the last one: where it found nothing, an earlier one that is noted counts.

        Raises
        ------
        ArtefactMissing or AccessDenied
            Something was paid for, and the quote is gone.
        """
        if release is None or not release.found:
            release = self._noted() or release
        begun = self._all_begun(release)
        if not begun:
            return NOTHING_BOUGHT
        kept = self.artefacts.read_json(f"{self.prefix}/quote.json")
        try:
            quote = Quote.model_validate(kept)
        except ValidationError:  # the run began with other code than that of the guard
            return bill_at_most(kept["high_usd"])
        usage = unfinished(
            quote,
            begun=begun,
            release=release,
            epochs=self._epochs(),
            screening_usd=self._screening_usd(),
            review=self._review(),
        )
        return bill_of(quote, usage)

    def keep(self, bill: Bill) -> str:
        return self.artefacts.put_json(self._cost, bill.model_dump(mode="json"))

    def mark_told(self) -> None:
        """Note that the mail with the bill was sent, so that the guard does not send another."""
        self.artefacts.put_json_once(self._told, {"told": True})

    def is_told(self) -> bool:
        return self._told in self._left

    def kept(self) -> Bill | None:
        """Return the bill that was kept, None if there is none."""
        found = self._read_if_there(self._cost)
        return Bill.model_validate(found) if found else None

    @property
    def _told(self) -> str:
        return f"{self.prefix}/told.json"

    @property
    def _cost(self) -> str:
        return f"{self.prefix}/cost.json"

    @property
    def _notes(self) -> str:
        return f"{self.prefix}/billing/"

    def _note(self, kind: str) -> str:
        return f"{self._notes}{kind.lower().replace(' ', '-')}.json"

    def _note_refusal(self, kind: str, now: datetime) -> None:
        try:
            self.artefacts.put_json(self._note(kind), {**_begun(kind, now), "refused": True})
        except Exception:
            _logger.exception("the refusal is not noted; the run is billed as if it had been made")

    @property
    def _released(self) -> str:
        return f"{self.prefix}/released.json"

    def _noted(self) -> Release | None:
        found = self._read_if_there(self._released)
        return Release.model_validate(found) if found else None

    def _all_begun(self, release: Release | None) -> dict[str, datetime]:
        """Return since when what may be billed; hosting that was refused, if nothing was found."""
        notes = (self.artefacts.read_json(key) for key in self._left if key.startswith(self._notes))
        gone = release is not None and not release.found
        return {
            note["kind"]: datetime.fromisoformat(note["since"])
            for note in notes
            if not (note.get("refused") and (gone or note["kind"] != HOSTING))
        }

    def _epochs(self) -> int | None:
        found = self._read_if_there(f"{self.prefix}/losses.json")
        return len(found["epochs"]) if found and found["whole"] else None

    def _screening_usd(self) -> float | None:
        found = self._read_if_there(f"{self.prefix}/screening.json")
        return float(found["summary"]["services"][COMPREHEND]["cost_usd"]) if found else None

    def _review(self) -> ReviewSummary | None:
        found = self._read_if_there(f"{self.prefix}/review.json")
        return DataReview.model_validate(found).summary if found else None

    def _read_if_there(self, key: str) -> Any:  # noqa: ANN401  # JSON is of any type
        return self.artefacts.read_json(key) if key in self._left else None

    @cached_property
    def _left(self) -> list[str]:
        """The keys that the run left, listed: reading what is not there may be "access denied"."""
        return self.artefacts.list_keys(f"{self.prefix}/")
