"""What Amazon Comprehend has been asked about, and has found, in the artefact bucket."""

from __future__ import annotations

from dataclasses import dataclass

from lambdas.aws.artefacts import Artefacts
from lambdas.validation.jsonl.findings import Finding
from lambdas.validation.screening import Screening


@dataclass
class S3ScreeningJournal:
    """`ScreeningJournal` as one object a batch."""

    artefacts: Artefacts
    prefix: str
    moved: bool = False  # since this was made, the service has answered

    def kept(self, batch: str) -> Screening | None:
        key = self._key(batch)
        if key not in self.artefacts.list_keys(key):
            return None
        found = self.artefacts.read_json(key)
        problems = tuple(Finding(*problem) for problem in found["problems"])
        left = tuple((line, turn) for line, turn in found["left"])
        return Screening(problems, found["records"], found["units"], left)

    def begin(self, batch: str, screening: Screening) -> bool:
        return self.artefacts.put_json_once(self._key(batch), screening._asdict())

    def keep(self, batch: str, screening: Screening, *, moved: bool) -> None:
        self.artefacts.put_json(self._key(batch), screening._asdict())
        self.moved |= moved

    def _key(self, batch: str) -> str:
        return f"{self.prefix}/{batch}.json"
