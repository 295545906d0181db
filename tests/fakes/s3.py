"""An S3 that lives in a dictionary and fails as S3 does."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.response import StreamingBody

BUCKET = "bedrock-tuning-local-123456789012-us-west-2"


def client_error(
    code: str, status: int = 400, operation: str = "Operation", *, retries: int = 0
) -> ClientError:
    return ClientError(
        {
            "Error": {"Code": code, "Message": f"the fake says {code}"},
            "ResponseMetadata": {"HTTPStatusCode": status, "RetryAttempts": retries},
        },
        operation,
    )


class FakeS3:
    """Implements what `lambdas.aws.artefacts` calls; set `failure` to make every call fail."""

    def __init__(
        self,
        objects: Mapping[str, bytes] | None = None,
        page_size: int = 2,
        *,
        frozen: Mapping[str, bytes] | None = None,
    ) -> None:
        self.objects = {**(objects or {}), **(frozen or {})}
        self.content_types: dict[str, str] = {}
        self._hashed = {**(frozen or {})}  # what was copied: only that has a SHA-256
        self.failure: Exception | None = None
        self.hides_what_is_missing = False  # as S3 does from whoever may not list it
        self._page_size = page_size

    def get_object(
        self,
        *,
        Bucket: str,  # noqa: N803  # AWS's name
        Key: str,  # noqa: N803  # AWS's name
        Range: str | None = None,  # noqa: N803  # AWS's name
        IfMatch: str | None = None,  # noqa: N803  # AWS's name
    ) -> dict[str, Any]:
        self._enter(Bucket)
        if Key not in self.objects and self.hides_what_is_missing:
            raise client_error("AccessDenied", 403, "GetObject")
        if Key not in self.objects:
            raise client_error("NoSuchKey", 404, "GetObject")
        body = self.objects[Key]
        if IfMatch is not None and IfMatch != _etag(body):
            raise client_error("PreconditionFailed", 412, "GetObject")
        if Range is not None:
            start, _, last = Range.removeprefix("bytes=").partition("-")
            body = body[int(start) : int(last) + 1]
        return {"Body": StreamingBody(io.BytesIO(body), len(body)), "ContentLength": len(body)}

    def head_object(
        self,
        *,
        Bucket: str,  # noqa: N803  # AWS's name
        Key: str,  # noqa: N803  # AWS's name
        ChecksumMode: str = "",  # noqa: N803  # AWS's name
    ) -> dict[str, Any]:
        self._enter(Bucket)
        if Key not in self.objects:
            raise client_error("404", 404, "HeadObject")
        body = self.objects[Key]
        found = {"ContentLength": len(body), "ETag": _etag(body)}
        if ChecksumMode == "ENABLED" and self._hashed.get(Key) == body:
            digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
            found |= {"ChecksumSHA256": digest, "ChecksumType": "FULL_OBJECT"}
        return found

    def copy_object(  # noqa: PLR0913  # as the client's
        self,
        *,
        Bucket: str,  # noqa: N803  # AWS's name
        Key: str,  # noqa: N803  # AWS's name
        CopySource: dict[str, str],  # noqa: N803  # AWS's name
        ChecksumAlgorithm: str,  # noqa: N803  # AWS's name
        TaggingDirective: str,  # noqa: N803  # AWS's name
        CopySourceIfMatch: str | None = None,  # noqa: N803  # AWS's name
    ) -> dict[str, Any]:
        self._enter(Bucket)
        assert (ChecksumAlgorithm, TaggingDirective) == ("SHA256", "REPLACE")
        if CopySource["Key"] not in self.objects:
            raise client_error("NoSuchKey", 404, "CopyObject")
        body = self.objects[CopySource["Key"]]
        if CopySourceIfMatch is not None and CopySourceIfMatch != _etag(body):
            raise client_error("PreconditionFailed", 412, "CopyObject")
        self.objects[Key] = self._hashed[Key] = body
        return {}

    def put_object(  # as the client's
        self,
        *,
        Bucket: str,  # noqa: N803  # AWS's name
        Key: str,  # noqa: N803  # AWS's name
        Body: bytes,  # noqa: N803  # AWS's name
        ContentType: str = "",  # noqa: N803  # AWS's name
        IfNoneMatch: str | None = None,  # noqa: N803  # AWS's name
    ) -> dict[str, Any]:
        self._enter(Bucket)
        if IfNoneMatch == "*" and Key in self.objects:
            raise client_error("PreconditionFailed", 412, "PutObject")
        self.objects[Key] = Body
        self.content_types[Key] = ContentType
        return {}

    def get_paginator(self, operation: str) -> FakeS3:
        assert operation == "list_objects_v2"
        return self

    def paginate(
        self,
        *,
        Bucket: str,  # noqa: N803  # AWS's name
        Prefix: str,  # noqa: N803  # AWS's name
        Delimiter: str | None = None,  # noqa: N803  # AWS's name
    ) -> Iterator[dict[str, Any]]:
        self._enter(Bucket)
        keys = sorted(
            key
            for key in self.objects
            if key.startswith(Prefix) and not (Delimiter and Delimiter in key.removeprefix(Prefix))
        )
        if not keys:
            yield {"KeyCount": 0}
        for start in range(0, len(keys), self._page_size):
            page = keys[start : start + self._page_size]
            yield {"Contents": [{"Key": key, "Size": len(self.objects[key])} for key in page]}

    def freeze(self, key: str, body: bytes) -> None:
        """Put an object as a copy with a SHA-256 has it."""
        self.objects[key] = self._hashed[key] = body

    def _enter(self, bucket: str) -> None:
        if self.failure is not None:
            raise self.failure
        if bucket != BUCKET:
            raise client_error("NoSuchBucket", 404)


def _etag(body: bytes) -> str:
    return f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'


def install(monkeypatch: pytest.MonkeyPatch, fake: FakeS3) -> FakeS3:
    """Make every `Artefacts` of the code under test use `fake`."""
    monkeypatch.setattr("lambdas.aws.artefacts.client", lambda service, *_: {"s3": fake}[service])
    return fake
