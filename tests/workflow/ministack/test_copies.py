"""The contract of the patch of S3."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import boto3

from local.rehearsal.rehearse import REGION
from local.server import OfflineAws


def test_a_copy_has_the_checksum_that_it_asks_for(offline: OfflineAws) -> None:
    del offline
    s3: Any = boto3.client("s3")
    s3.create_bucket(Bucket="contract", CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_object(Bucket="contract", Key="uploaded", Body=b"body")
    source = {"Bucket": "contract", "Key": "uploaded"}
    s3.copy_object(Bucket="contract", Key="copy", CopySource=source, ChecksumAlgorithm="SHA256")
    s3.copy_object(Bucket="contract", Key="plain", CopySource=source)
    found = {
        key: s3.head_object(Bucket="contract", Key=key, ChecksumMode="ENABLED")
        for key in ("uploaded", "copy", "plain")
    }
    digest = base64.b64encode(hashlib.sha256(b"body").digest()).decode()
    assert found["copy"]["ChecksumSHA256"] == digest
    assert found["copy"]["ChecksumType"] == "FULL_OBJECT"
    assert "ChecksumSHA256" not in found["uploaded"] | found["plain"]
