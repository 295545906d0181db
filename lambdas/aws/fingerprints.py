"""Size, version and hash of the objects that a run read."""

from __future__ import annotations

import hashlib

from lambdas.aws.artefacts import Artefacts
from lambdas.aws.clients import translated
from lambdas.domain.reporting.report import DataFile

_CHUNK_BYTES = 1 << 20
_MAX_HASHED_BYTES = 1 << 30  # larger files are identified by their version


def fingerprint(artefacts: Artefacts, key: str) -> DataFile:
    """Return an object's size, version and SHA-256, which is None above 1 GiB."""
    with translated(f"read {artefacts.uri(key)}"):
        found = artefacts.s3.get_object(Bucket=artefacts.bucket, Key=key)
        body, size_bytes = found["Body"], found["ContentLength"]
        digest = hashlib.sha256()
        if size_bytes <= _MAX_HASHED_BYTES:
            for chunk in iter(lambda: body.read(_CHUNK_BYTES), b""):
                digest.update(chunk)
        body.close()
    return DataFile(
        key=key,
        size_bytes=size_bytes,
        version_id=found.get("VersionId"),
        sha256=digest.hexdigest() if size_bytes <= _MAX_HASHED_BYTES else None,
    )
