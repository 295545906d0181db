"""What a job does in the role that it was given, and its words where something is missing.

Source of the words for S3 and of what they mean, read 2026-11-29:
https://docs.aws.amazon.com/bedrock/latest/userguide/fine-tuning-troubleshooting.html (a bucket of
another region too); for a role that cannot be assumed: reports of Terraform's provider, which
retries on them. For a key and a network they are KMS's and EC2's own, as AWS documents none.
AWS does not say either who uses a model's key: the service role has to be able to.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from local.bedrock.protocol import ValidationError
from local.bedrock.state import CustomizationJob, Region, split_uri

_MODEL_KEY = ("kms:CreateGrant", "kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey")
_CHECK_FILE = ".write_access_check_file.tmp"


class AccessMissing(Exception):
    """The job fails with this message."""


def refuse_unassumable(region: Region, role_arn: str, job_arn: str) -> None:
    """Refuse a role that does not trust Bedrock for this job.

    Raises
    ------
    ValidationError
        In AWS's words.
    """
    source = {"aws:SourceAccount": region.location.account, "aws:SourceArn": job_arn}
    if not region.grants.assumes(role_arn, source):
        raise ValidationError(
            f"Could not assume provided IAM role {role_arn}. Please verify that the IAM role "
            "exists and has correct trust policy."
        )


@dataclass(frozen=True)
class ServiceRole:
    """A job's role, assumed anew for whatever is done in it."""

    region: Region
    job: CustomizationJob

    def check(self, read: Iterable[str]) -> None:
        """Find what the job lacks before it costs anything: access to what it reads and writes.

        Raises
        ------
        AccessMissing
            The first of it, in AWS's words.
        """
        for uri in read:
            self.read(uri)
        bucket, prefix = split_uri(self.job.request["outputDataConfig"]["s3Uri"])
        self._refuse_writing(bucket, f"{prefix.rstrip('/')}/{_CHECK_FILE}".lstrip("/"))
        self._check_model_key()
        self._check_network()

    def read(self, uri: str) -> bytes:
        """Return the object, or raise AccessMissing."""
        bucket, key = split_uri(uri)
        readable = (
            self._assumed()
            and self._is_here(bucket)
            and self._may("s3:ListBucket", f"arn:aws:s3:::{bucket}", {"s3:prefix": key})
            and self._may("s3:GetObject", f"arn:aws:s3:::{bucket}/{key}")
            and self._may_use_key_of(bucket, "kms:Decrypt")
        )
        body = self.region.read(uri) if readable else None
        if body is None:
            raise AccessMissing(
                f"Could not validate GetObject permissions to access Amazon S3 bucket: {bucket} at "
                f"key {key}"
            )
        return body

    def write(self, bucket: str, key: str, body: bytes) -> None:
        """Write the object, or raise AccessMissing."""
        self._refuse_writing(bucket, key)
        self.region.objects.put(bucket, key, body)

    def _refuse_writing(self, bucket: str, key: str) -> None:
        writable = (
            self._assumed()
            and self._is_here(bucket)
            and self._may("s3:PutObject", f"arn:aws:s3:::{bucket}/{key}")
            and self._may_use_key_of(bucket, "kms:GenerateDataKey")
        )
        if not writable:
            raise AccessMissing(
                "Amazon S3 perms missing (PutObject): Could not validate PutObject permissions to "
                f"access S3 bucket: {bucket} at key {key}"
            )

    def _assumed(self) -> bool:
        try:
            refuse_unassumable(self.region, self._arn, self.job.arn)
        except ValidationError as error:
            raise AccessMissing(error.message) from None
        return True

    @property
    def _arn(self) -> str:
        return str(self.job.request["roleArn"])

    def _is_here(self, bucket: str) -> bool:
        return self.region.objects.bucket_region(bucket) == self.region.name

    def _may(self, action: str, resource: str, keys: Mapping[str, str] | None = None) -> bool:
        return self.region.grants.allows(self._arn, action, resource, keys or {})

    def _may_use_key_of(self, bucket: str, action: str) -> bool:
        key = self.region.grants.key_of(bucket)
        return key is None or self._may_use_key(key, action, "s3")

    def _may_use_key(self, key: str, action: str, service: str) -> bool:
        via = {"kms:ViaService": f"{service}.{self.region.name}.amazonaws.com"}
        return self._may(action, key, via)

    def _check_model_key(self) -> None:
        key = self.job.request.get("customModelKmsKeyId")
        if key is None:
            return
        if not self.region.grants.has_key(self.region.location, key):
            raise AccessMissing(f"Key '{key}' does not exist, or is not enabled")
        for action in _MODEL_KEY:
            if not self._may_use_key(key, action, "bedrock"):
                raise AccessMissing(
                    f"User: {self._arn} is not authorized to perform: {action} on resource: {key}"
                )

    def _check_network(self) -> None:
        network = self.job.request.get("vpcConfig", {})
        for what, found in (("subnet", "subnetIds"), ("security group", "securityGroupIds")):
            for name in network.get(found, []):
                if not self.region.grants.has_network(self.region.location, name):
                    noun = "ID " if what == "subnet" else ""
                    raise AccessMissing(f"The {what} {noun}'{name}' does not exist")
