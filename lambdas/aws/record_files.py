"""Files of records in the artefact bucket that a state fills while it works."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

from lambdas.aws.artefacts import Artefacts
from lambdas.domain.evaluation.records import Record
from lambdas.domain.parallel import in_parallel


@dataclass(frozen=True)
class S3RecordFile:
    """`RecordFile` as an object of the bucket, and one object for each record: S3 cannot append."""

    artefacts: Artefacts
    key: str  # ends in ".jsonl"

    @property
    def uri(self) -> str:
        return self.artefacts.uri(self.key)

    def read(self) -> list[Record]:
        return in_parallel(self.artefacts.read_json, self.artefacts.list_keys(self._folder))

    def keep(self, name: str, record: Record) -> None:
        # Names are of any characters and length, keys are not.
        self.artefacts.put_json(f"{self._folder}{sha256(name.encode()).hexdigest()}.json", record)

    def write(self, records: Iterable[Record]) -> None:
        self.artefacts.put_records(self.key, records)

    @property
    def _folder(self) -> str:
        return self.key.removesuffix(".jsonl") + "/"
