"""Files of records in the artefact bucket that a state saves while it works."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lambdas.aws.artefacts import Artefacts
from lambdas.domain.evaluation.records import Record


@dataclass(frozen=True)
class S3RecordFile:
    """`RecordFile` as an object of the bucket."""

    artefacts: Artefacts
    key: str

    @property
    def uri(self) -> str:
        return self.artefacts.uri(self.key)

    def read(self) -> list[Record]:
        # Listed, not looked for: S3 hides the absence of a key from a role that may list some
        # prefixes.
        exists = self.key in self.artefacts.list_keys(self.key)
        return list(self.artefacts.iter_records(self.key)) if exists else []

    def write(self, records: Iterable[Record]) -> None:
        self.artefacts.put_records(self.key, records)
