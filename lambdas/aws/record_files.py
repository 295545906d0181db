"""Files of records in the artefact bucket that a state fills while it works."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256

from lambdas.aws.artefacts import Artefacts
from lambdas.domain.evaluation.records import Record
from lambdas.domain.evaluation.shards import Tally
from lambdas.domain.parallel import in_parallel
from lambdas.domain.run.contracts import Answers


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


@dataclass(frozen=True)
class S3Shards:
    """`Shards` as objects below a prefix: NNNNN.jsonl, and tallies/NNNNN.json of finished ones."""

    artefacts: Artefacts
    prefix: str  # ends in "/"

    @property
    def uri(self) -> str:
        return self.artefacts.uri(self.prefix)

    def tallies(self) -> list[Tally]:
        keys = self.artefacts.list_keys(self._tallies)
        return [Tally(each) for each in in_parallel(self.artefacts.read_json, keys)]

    def file(self, shard: int) -> S3RecordFile:
        return S3RecordFile(self.artefacts, f"{self.prefix}{shard:05}.jsonl")

    def finish(self, shard: int, tally: Tally) -> None:
        self.artefacts.put_json(f"{self._tallies}{shard:05}.json", tally)

    def records(self, shard: int) -> list[Record]:
        """Return the records of a finished shard."""
        return list(self.artefacts.iter_records(self.file(shard).key))

    def first(self, shards: int) -> Iterator[Record]:
        """Stream the records of the first shards."""
        for shard in range(shards):
            yield from self.artefacts.iter_records(self.file(shard).key)

    @property
    def _tallies(self) -> str:
        return f"{self.prefix}tallies/"


def answers_of_shard(
    artefacts: Artefacts, answers: Mapping[str, Answers], shard: int
) -> dict[str, list[Record]]:
    """Return the answers of a shard by side; of one behind the last, none."""
    return {
        side: S3Shards(artefacts, each.answers_prefix).records(shard) if shard < each.shards else []
        for side, each in answers.items()
    }
