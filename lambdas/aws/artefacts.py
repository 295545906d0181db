"""The artefact bucket, which runs read and write."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError, IncompleteReadError

from lambdas.aws.clients import client, code_of, translated
from lambdas.domain.errors import ServiceUnavailable, TuningError

_BUFFER_BYTES = 1 << 20  # measured: large reads are the fastest way through an object
_READ_ATTEMPTS = 4  # of one part, each from where the one before broke off
_IMPATIENT_READ_SECONDS = 2
IMPATIENT_SECONDS = 45  # four attempts, each 5 s to connect and 2 s to read, and the pauses between
_MISSING = frozenset({"NoSuchKey", "404", "NotFound"})
# The second: two conditional writes at once, of which the other succeeded.
_THERE_ALREADY = frozenset({"PreconditionFailed", "ConditionalRequestConflict"})
_CHANGED = frozenset({"PreconditionFailed", "412", "InvalidRange"})
_RUNS = "runs/"  # what runs write themselves
_CONTENT_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "json": "application/json",
    "jsonl": "application/x-ndjson",
    "png": "image/png",
    "svg": "image/svg+xml",
}


class ArtefactMissing(TuningError):
    """An object that the run needs is not in the bucket."""


class ArtefactChanged(TuningError):
    """Somebody replaced an object while the run was reading it."""


@dataclass(frozen=True)
class Artefacts:
    """Objects of one bucket by key.

    Methods raise `ArtefactMissing` for an object that they need and that is absent, and the named
    errors of `translated`.
    """

    bucket: str
    s3: Any = field(default_factory=lambda: client("s3"))

    @classmethod
    def impatient(cls, bucket: str) -> Artefacts:
        """Return a bucket of which nothing depends: a call ends within `IMPATIENT_SECONDS`."""
        return cls(bucket, client("s3", _IMPATIENT_READ_SECONDS))

    def uri(self, key: str) -> str:
        return f"s3://{self.bucket}/{key}"

    def read_bytes(self, key: str) -> bytes:
        with self._reading(key):
            body: bytes = self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()
            return body

    def read_text(self, key: str) -> str:
        """Return the object as text; bytes that are not UTF-8 raise UnicodeDecodeError."""
        return self.read_bytes(key).decode()

    def read_json(self, key: str) -> Any:  # noqa: ANN401  # JSON is of any type
        return json.loads(self.read_bytes(key))

    def iter_lines(self, key: str, *, max_line_bytes: int | None = None) -> Iterator[bytes]:
        r"""Stream the object's lines, split at "\n" only and without it.

        A line longer than `max_line_bytes` is cut to `max_line_bytes` + 1 bytes, so that it can be
        recognised as too long and cannot fill the memory.
        """
        with self._reading(key):
            body = self.s3.get_object(Bucket=self.bucket, Key=key)["Body"]
            with io.BufferedReader(body, _BUFFER_BYTES) as reader:
                yield from split_lines(reader, max_line_bytes)

    def iter_records(self, key: str) -> Iterator[dict[str, Any]]:
        """Stream a JSONL object's records; blank lines are skipped."""
        for line in self.iter_lines(key):
            if line.strip():
                yield json.loads(line)

    def source(self, key: str, name: str) -> ObjectSource:
        """Return a reader of the object in parts; findings use `name` for it."""
        with self._reading(key):
            head = self.s3.head_object(Bucket=self.bucket, Key=key, ChecksumMode="ENABLED")
        return ObjectSource(self, key, name, head["ContentLength"], head["ETag"], _sha256(head))

    def copy(self, source: ObjectSource, key: str) -> ObjectSource:
        """Copy the object that `source` reads, and no other, to `key`; S3 makes its SHA-256.

        Raises
        ------
        ArtefactChanged
            The object is no longer the one that `source` reads.
        """
        try:
            with translated(f"copy {self.uri(source.key)} to {self.uri(key)}"):
                self.s3.copy_object(
                    Bucket=self.bucket,
                    Key=key,
                    CopySource={"Bucket": self.bucket, "Key": source.key},
                    CopySourceIfMatch=source.etag,
                    ChecksumAlgorithm="SHA256",
                    TaggingDirective="REPLACE",  # copying tags would need a permission of its own
                )
        except ClientError as error:
            if code_of(error) not in _CHANGED | _MISSING:
                raise
            raise self._changed(source.key) from error
        return self.source(key, source.name)

    def read_part(self, key: str, start: int, stop: int, etag: str) -> Any:  # noqa: ANN401  # botocore's body
        """Return the body of the bytes from `start` to before `stop`.

        Raises
        ------
        ArtefactChanged
            The object is no longer the one with this ETag.
        """
        part = f"bytes={start}-{stop - 1}"
        try:
            with self._reading(key):
                return self.s3.get_object(Bucket=self.bucket, Key=key, Range=part, IfMatch=etag)[
                    "Body"
                ]
        except ClientError as error:
            if code_of(error) not in _CHANGED:
                raise
            raise self._changed(key) from error

    def list_keys(self, prefix: str) -> list[str]:
        """Return all keys under `prefix` in S3's order."""
        with translated(f"list {self.uri(prefix)}"):
            pages = self.s3.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=prefix
            )
            return [each["Key"] for page in pages for each in page.get("Contents", [])]

    def list_folder(self, prefix: str) -> list[str]:
        """Return the keys right under `prefix`, which ends in "/", and none of its folders'."""
        with translated(f"list {self.uri(prefix)}"):
            pages = self.s3.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=prefix, Delimiter="/"
            )
            return [each["Key"] for page in pages for each in page.get("Contents", [])]

    def put_bytes(self, key: str, body: bytes) -> str:
        """Write an object, its content type by the key's extension; return the key."""
        content_type = _CONTENT_TYPES.get(key.rpartition(".")[2], "application/octet-stream")
        with translated(f"write {self.uri(key)}"):
            self.s3.put_object(Bucket=self.bucket, Key=key, Body=body, ContentType=content_type)
        return key

    def put_text(self, key: str, text: str) -> str:
        """Write text as UTF-8; a lone surrogate becomes its JSON escape."""
        return self.put_bytes(key, text.encode(errors="backslashreplace"))

    def put_json(self, key: str, value: object) -> str:
        return self.put_text(key, json.dumps(value, ensure_ascii=False, indent=2) + "\n")

    def put_json_once(self, key: str, value: object) -> bool:
        """Write an object unless it exists; False if it does."""
        body = (json.dumps(value, ensure_ascii=False, indent=2) + "\n").encode()
        try:
            with translated(f"write {self.uri(key)}"):
                self.s3.put_object(Bucket=self.bucket, Key=key, Body=body, IfNoneMatch="*")
        except ClientError as error:
            if code_of(error) not in _THERE_ALREADY:
                raise
            return False
        return True

    def put_records(self, key: str, records: Iterable[object]) -> str:
        """Write JSONL, one record a line."""
        lines = (json.dumps(each, ensure_ascii=False) + "\n" for each in records)
        return self.put_text(key, "".join(lines))

    def _changed(self, key: str) -> ArtefactChanged:
        return ArtefactChanged(
            f"{self.uri(key)} was replaced while it was read: when the upload is complete, start "
            "again"
        )

    @contextmanager
    def _reading(self, key: str) -> Iterator[None]:
        try:
            with translated(f"read {self.uri(key)}"):
                yield
        except ClientError as error:
            if code_of(error) not in _MISSING:
                raise
            own = key.startswith(_RUNS)
            advice = (
                "it was deleted, or has expired" if own else "upload it or name another dataset"
            )
            raise ArtefactMissing(f"{self.uri(key)} does not exist: {advice}") from error


def _sha256(head: Mapping[str, Any]) -> str | None:
    """Return S3's SHA-256 of a whole object: one of its parts' hashes is another's."""
    found = head.get("ChecksumSHA256")
    if found is None or head.get("ChecksumType") == "COMPOSITE":
        return None
    return base64.b64decode(found).hex()


def split_lines(reader: io.BufferedIOBase, max_line_bytes: int | None) -> Iterator[bytes]:
    """Yield the lines of a binary stream as `Artefacts.iter_lines` promises."""
    limit = -1 if max_line_bytes is None else max_line_bytes + 1
    while line := reader.readline(limit):
        whole = line.endswith(b"\n") or len(line) != limit
        yield line.removesuffix(b"\n")
        while not whole:
            rest = reader.readline(_BUFFER_BYTES)
            whole = not rest or rest.endswith(b"\n")


@dataclass(frozen=True)
class ObjectSource:
    """An object that is read in parts over several connections: S3 limits the speed of each."""

    artefacts: Artefacts
    key: str
    name: str
    size_bytes: int
    etag: str
    sha256: str | None = None  # in hexadecimal; None: S3 has none of the whole object
    connections: int = 4

    def read(self, start: int, stop: int) -> bytes:
        """Return a part; after a broken connection it goes on from the last byte."""
        content, failures = bytearray(), 0
        while len(content) < stop - start:
            try:
                self._read_on(content, start, stop)
            except (ServiceUnavailable, IncompleteReadError) as error:
                failures += 1
                if failures == _READ_ATTEMPTS:
                    raise ServiceUnavailable(str(error)) from error
        return bytes(content)

    def _read_on(self, content: bytearray, start: int, stop: int) -> None:
        uri = self.artefacts.uri(self.key)
        with translated(f"read {uri}"):
            body = self.artefacts.read_part(self.key, start + len(content), stop, self.etag)
            while chunk := body.read(_BUFFER_BYTES):
                content += chunk
        if len(content) < stop - start:
            raise ServiceUnavailable(f"{uri} ended early")
