"""The artefact bucket: everything that runs read and write passes here."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from lambdas.aws.clients import client, code_of, translated
from lambdas.domain.errors import TuningError

_BUFFER_BYTES = 1 << 20  # measured: a large buffered reader is the fastest way through an object
_MISSING = frozenset({"NoSuchKey", "404", "NotFound"})
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


@dataclass(frozen=True)
class Artefacts:
    """Objects of one bucket by key.

    Every method raises `ArtefactMissing` where it needs an object that is absent, and AWS's other
    errors by their names in `lambdas.domain.errors`.
    """

    bucket: str
    s3: Any = field(default_factory=lambda: client("s3"))

    def uri(self, key: str) -> str:
        return f"s3://{self.bucket}/{key}"

    def read_bytes(self, key: str) -> bytes:
        with self._reading(key):
            body: bytes = self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()
            return body

    def read_text(self, key: str) -> str:
        """Return the object as text; bytes that are no UTF-8 raise UnicodeDecodeError."""
        return self.read_bytes(key).decode()

    def read_json(self, key: str) -> Any:  # noqa: ANN401  # JSON is of any type
        return json.loads(self.read_bytes(key))

    def iter_lines(self, key: str, *, max_line_bytes: int | None = None) -> Iterator[bytes]:
        r"""Stream the object's lines, split at "\n" only and without it.

        A line longer than `max_line_bytes` comes cut to `max_line_bytes` + 1 bytes: whoever sees
        one byte too many knows, and no line can fill the memory.
        """
        with self._reading(key):
            body = self.s3.get_object(Bucket=self.bucket, Key=key)["Body"]
            with io.BufferedReader(body, _BUFFER_BYTES) as reader:
                yield from split_lines(reader, max_line_bytes)

    def iter_records(self, key: str) -> Iterator[dict[str, Any]]:
        """Stream a JSONL object's records; blank lines are passed over."""
        for line in self.iter_lines(key):
            if line.strip():
                yield json.loads(line)

    def exists(self, key: str) -> bool:
        return self.size_of(key) is not None

    def size_of(self, key: str) -> int | None:
        """Return the object's size in bytes, or None where there is none."""
        try:
            with translated(f"look for {self.uri(key)}"):
                size: int = self.s3.head_object(Bucket=self.bucket, Key=key)["ContentLength"]
        except ClientError as error:
            if code_of(error) in _MISSING:
                return None
            raise
        return size

    def list_keys(self, prefix: str) -> list[str]:
        """Return all keys under `prefix` in S3's order."""
        with translated(f"list {self.uri(prefix)}"):
            pages = self.s3.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=prefix
            )
            return [each["Key"] for page in pages for each in page.get("Contents", [])]

    def put_bytes(self, key: str, body: bytes) -> str:
        """Write an object, its content type by the key's extension; return the key."""
        content_type = _CONTENT_TYPES.get(key.rpartition(".")[2], "application/octet-stream")
        with translated(f"write {self.uri(key)}"):
            self.s3.put_object(Bucket=self.bucket, Key=key, Body=body, ContentType=content_type)
        return key

    def put_text(self, key: str, text: str) -> str:
        """Write text as UTF-8; a lone surrogate, which has none, becomes its JSON escape."""
        return self.put_bytes(key, text.encode(errors="backslashreplace"))

    def put_json(self, key: str, value: object) -> str:
        return self.put_text(key, json.dumps(value, ensure_ascii=False, indent=2) + "\n")

    def put_records(self, key: str, records: Iterable[object]) -> str:
        """Write JSONL, one record a line."""
        lines = (json.dumps(each, ensure_ascii=False) + "\n" for each in records)
        return self.put_text(key, "".join(lines))

    @contextmanager
    def _reading(self, key: str) -> Iterator[None]:
        try:
            with translated(f"read {self.uri(key)}"):
                yield
        except ClientError as error:
            if code_of(error) not in _MISSING:
                raise
            raise ArtefactMissing(
                f"{self.uri(key)} does not exist: upload it or name another dataset"
            ) from error


def split_lines(reader: io.BufferedIOBase, max_line_bytes: int | None) -> Iterator[bytes]:
    """Yield the lines of a binary stream as `Artefacts.iter_lines` promises."""
    limit = -1 if max_line_bytes is None else max_line_bytes + 1
    while line := reader.readline(limit):
        whole = line.endswith(b"\n") or len(line) != limit
        yield line.removesuffix(b"\n")
        while not whole:
            rest = reader.readline(_BUFFER_BYTES)
            whole = not rest or rest.endswith(b"\n")
