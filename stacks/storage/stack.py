"""What lasts: the artefact bucket, its access logs and, where configured, its key."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import CfnOutput, Duration
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3

from stacks.constructs.removal import kept_or_not
from stacks.constructs.stack import EnvironmentStack
from stacks.environment import Environment
from stacks.storage.key_policy import key_statements

_ACCESS_LOG_DAYS = 90
_NONCURRENT_DAYS = 30
_UNFINISHED_UPLOAD_DAYS = 7


class StorageStack(EnvironmentStack):
    """Datasets and runs of one environment."""

    def __init__(self, app: cdk.App, environment: Environment) -> None:
        super().__init__(
            app, environment, "storage", description="datasets and what the runs leave"
        )
        self._removal = kept_or_not(environment)
        self.key = self._key() if environment.storage.encryption == "kms" else None
        self.artefacts = self._artefacts(self._access_logs())
        self._outputs()

    def _key(self) -> kms.Key:
        machine = self.names.state_machine
        key = kms.Key(
            self,
            "Key",
            alias=machine,
            description=f"Artefacts, custom models, logs and notifications of {machine}",
            enable_key_rotation=True,
            removal_policy=self._removal,
        )
        for statement in key_statements(self.names, account=self.account, region=self.region):
            key.add_to_resource_policy(statement)
        # By Fn::GetStackOutput: an export could not go while the other stacks still import it, and
        # this stack is deployed before them.
        cdk.CrossStackReferences.of(key).produce(cdk.ReferenceStrength.WEAK)
        return key

    def _access_logs(self) -> s3.Bucket:
        return s3.Bucket(
            self,
            "AccessLogs",
            bucket_name=f"{self._bucket_name}-logs",
            encryption=s3.BucketEncryption.S3_MANAGED,
            lifecycle_rules=[s3.LifecycleRule(expiration=Duration.days(_ACCESS_LOG_DAYS))],
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            enforce_ssl=True,
            removal_policy=self._removal,
            auto_delete_objects=not self.config.storage.retain,
        )

    def _artefacts(self, access_logs: s3.Bucket) -> s3.Bucket:
        encryption = s3.BucketEncryption.KMS if self.key else s3.BucketEncryption.S3_MANAGED
        return s3.Bucket(
            self,
            "Artefacts",
            bucket_name=self._bucket_name,
            encryption=encryption,
            encryption_key=self.key,
            bucket_key_enabled=True if self.key else None,
            versioned=True,
            lifecycle_rules=self._lifecycle(),
            server_access_logs_bucket=access_logs,
            server_access_logs_prefix="artefacts/",
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            enforce_ssl=True,
            removal_policy=self._removal,
            auto_delete_objects=not self.config.storage.retain,
        )

    def _lifecycle(self) -> list[s3.LifecycleRule]:
        days = self.config.storage.expire_runs_after_days
        return [
            s3.LifecycleRule(id="old-runs", prefix="runs/", expiration=Duration.days(days)),
            s3.LifecycleRule(
                id="old-approvals", prefix="approvals/", expiration=Duration.days(days)
            ),
            s3.LifecycleRule(
                id="old-versions", noncurrent_version_expiration=Duration.days(_NONCURRENT_DAYS)
            ),
            s3.LifecycleRule(
                id="unfinished-uploads",
                abort_incomplete_multipart_upload_after=Duration.days(_UNFINISHED_UPLOAD_DAYS),
            ),
        ]

    @property
    def _bucket_name(self) -> str:
        return self.names.bucket(account=self.account, region=self.region)

    def _outputs(self) -> None:
        CfnOutput(
            self,
            "BucketName",
            value=self.artefacts.bucket_name,
            description="Holds datasets/ and runs/",
        )
        CfnOutput(
            self,
            "UploadDatasetCommand",
            value=f".venv/bin/python -m dataset upload --env {self.config.name} FOLDER",
            description="FOLDER holds training.jsonl, evaluation.jsonl and, if any, "
            "validation.jsonl",
        )
