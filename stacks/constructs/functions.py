"""A stack's functions, made from the declarations of their steps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from aws_cdk import Annotations, Duration, IgnoreMode, RemovalPolicy, Size, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_s3_assets as s3_assets
from constructs import Construct

from lambdas.domain.run.names import PROJECT
from stacks.constructs.access import Access
from stacks.constructs.findings import explain
from stacks.constructs.layers import command, layer_hash
from stacks.constructs.log_group import make_log_group
from stacks.constructs.permission import IamArn, Permission, trace
from stacks.constructs.role import make_role
from stacks.constructs.step import Step
from stacks.constructs.target import Target
from stacks.constructs.variables import environment_of, values_of
from stacks.names import Names

_VERSION_CHARACTERS = 12
_REPOSITORY = Path(__file__).parents[2]


class LambdaFunctions(Construct):
    """The functions by the names of their steps, and the layers and the code that they share.

    `shared` names the variables that every one of them gets, whether it reads them or not.
    """

    def __init__(
        self,
        scope: Construct,
        *,
        steps: Iterable[Step],
        access: Access,
        target: Target,
        shared: Iterable[str],
    ) -> None:
        super().__init__(scope, "Functions")
        self._environment = access.environment
        self._names = Names(access.environment.name)
        self._access = access
        self._target = target
        self._layer = cache(self._make_layer)
        # The warning is about keys that stay the same when the object changes.
        Annotations.of(self).acknowledge_warning(
            "@aws-cdk/aws-lambda:codeFromBucketObjectVersionNotSpecified",
            "the object's key is the hash of its content",
        )
        self._code = self._lambdas()
        version = self._code.asset_hash[:_VERSION_CHARACTERS]
        self._values = values_of(access, code_version=version)
        self._shared = {
            **{name: self._values[name] for name in (*shared, "CODE_VERSION")},
            "POWERTOOLS_SERVICE_NAME": PROJECT,
            "POWERTOOLS_LOG_LEVEL": "INFO",
            "POWERTOOLS_TRACE_DISABLED": str(not self._environment.functions.tracing).lower(),
        }
        self.by_name = {step.name: self._function(step) for step in steps}

    def _function(self, step: Step) -> lambda_.Function:
        log_group = self._log_group(step)
        settings = self._environment.functions
        function = lambda_.Function(
            self,
            step.id,
            function_name=self._names.of(step.slug),
            description=self._description(step),
            code=lambda_.Code.from_bucket(self._code.bucket, self._code.s3_object_key),
            handler=f"lambdas.handlers.{step.module}.handler",
            runtime=self._runtime,
            architecture=self._architecture,
            memory_size=step.memory_mb,
            ephemeral_storage_size=Size.mebibytes(step.disk_mb) if step.disk_mb else None,
            timeout=Duration.seconds(step.timeout_seconds),
            layers=[self._layer(name) for name in step.layers],
            environment=environment_of(step, self._values, self._shared),
            role=self._role(step, log_group),
            log_group=log_group,
            logging_format=lambda_.LoggingFormat.JSON,
            application_log_level_v2=lambda_.ApplicationLogLevel.INFO,
            system_log_level_v2=lambda_.SystemLogLevel.INFO,
            tracing=lambda_.Tracing.ACTIVE if settings.tracing else lambda_.Tracing.DISABLED,
            # Runs under way call the version that they began with; it goes with the function. Not
            # kept if its own deployment is rolled back: Lambda publishes nothing that equals the
            # last version, so the next attempt would fail.
            current_version_options=lambda_.VersionOptions(
                removal_policy=RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE
            ),
        )
        explain(function, "L1", self._why_this_python())
        return function

    def _description(self, step: Step) -> str:
        return f"State {step.name!r} of {self._names.state_machine}"

    def _why_this_python(self) -> str:
        if self._target.on_host:
            return "offline, functions run on the Python of the machine"
        return (
            f"Python {self._target.python} is the version that the layers are pinned and tested for"
        )

    @property
    def _runtime(self) -> lambda_.Runtime:
        return lambda_.Runtime(f"python{self._target.python}", lambda_.RuntimeFamily.PYTHON)

    @property
    def _architecture(self) -> lambda_.Architecture:
        return lambda_.Architecture.custom(self._target.architecture)

    def _role(self, step: Step, log_group: logs.LogGroup) -> iam.IRole:
        return make_role(
            self,
            f"{step.id}Role",
            description=self._description(step),
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
            policy="function",
            permissions=[*step.permissions(self._access), *self._observe(log_group)],
        )

    def _observe(self, log_group: logs.LogGroup) -> Iterator[Permission]:
        write = ["logs:CreateLogStream", "logs:PutLogEvents"]
        yield Permission(write, [IamArn(log_group.log_group_arn)])
        if self._environment.functions.tracing:
            yield trace("PutTelemetryRecords", "PutTraceSegments")

    def _log_group(self, step: Step) -> logs.LogGroup:
        return make_log_group(
            self,
            f"{step.id}Logs",
            access=self._access,
            name=f"/aws/lambda/{self._names.of(step.slug)}",
        )

    def _lambdas(self) -> s3_assets.Asset:
        # Zipped from the repository's root, so that imports read the same on Lambda and here.
        return s3_assets.Asset(
            self,
            "Code",
            path=str(_REPOSITORY),
            exclude=["*", "!lambdas", "!lambdas/**", "lambdas/**/__pycache__"],
            ignore_mode=IgnoreMode.GIT,
            display_name="lambdas",
        )

    def _make_layer(self, name: str) -> lambda_.LayerVersion:
        return lambda_.LayerVersion(
            self,
            f"{name.title()}Layer",
            layer_version_name=self._names.of(name),
            description=f"stacks/layers/{name}.txt for {self._target.label}",
            code=self._built_when_published(name),
            compatible_runtimes=[self._runtime],
            compatible_architectures=[self._architecture],
        )

    def _built_when_published(self, name: str) -> lambda_.Code:
        # The CLI runs the command when it publishes a hash that the bucket does not have yet:
        # synth, diff and snapshots neither build nor download.
        stack = Stack.of(self)
        location = stack.synthesizer.add_file_asset(
            source_hash=layer_hash(name, self._target),
            executable=command(name, self._target),
            display_name=f"layer {name}",
        )
        bucket = s3.Bucket.from_bucket_name(self, f"{name.title()}Assets", location.bucket_name)
        return lambda_.Code.from_bucket(bucket, location.object_key)
