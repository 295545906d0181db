"""Makes every function: what they have in common is decided here, once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path

from aws_cdk import (
    Annotations,
    Duration,
    IgnoreMode,
    Stack,
)
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_s3_assets as s3_assets
from constructs import Construct

from stacks.constructs.access import allow
from stacks.constructs.grants import Grants
from stacks.constructs.layers import command, layer_hash
from stacks.constructs.removal import kept_or_not
from stacks.constructs.steps import Step
from stacks.constructs.target import Target
from stacks.environment import Environment
from stacks.names import PROJECT, Names

_VERSION_CHARACTERS = 12
_REPOSITORY = Path(__file__).parents[2]


class FunctionFactory(Construct):
    """Owns the layers and the code that all functions of a stack share."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment: Environment,
        target: Target,
        variables: Mapping[str, str],
    ) -> None:
        super().__init__(scope, construct_id)
        self._environment = environment
        self._names = Names(environment.name)
        self._target = target
        self._variables = variables
        # The warning is about keys that stay while the object changes: these hold its hash.
        Annotations.of(self).acknowledge_warning(
            "@aws-cdk/aws-lambda:codeFromBucketObjectVersionNotSpecified",
            "the object's key is the hash of its content",
        )
        self._code = self._lambdas()

    @cached_property
    def _core(self) -> lambda_.LayerVersion:
        return self._layer("core")

    @cached_property
    def _plotting(self) -> lambda_.LayerVersion:
        return self._layer("plotting")

    def make_all(
        self, steps: Iterable[Step], grants: Grants, variables: Mapping[str, Mapping[str, str]]
    ) -> dict[str, lambda_.Function]:
        """Make the functions of `steps` by their names, each with its grants and variables."""
        return {
            step.name: self.make(
                step, statements=grants.of(step.name), variables=variables.get(step.name, {})
            )
            for step in steps
        }

    def make(
        self, step: Step, *, statements: list[iam.PolicyStatement], variables: Mapping[str, str]
    ) -> lambda_.Function:
        """Make the function behind a state, with a role of its own that may do `statements`."""
        log_group = self._log_group(step)
        settings = self._environment.functions
        return lambda_.Function(
            self,
            step.id,
            function_name=self._names.of(step.slug),
            description=f"State {step.name!r} of {self._names.state_machine}",
            code=lambda_.Code.from_bucket(self._code.bucket, self._code.s3_object_key),
            handler=f"lambdas.handlers.{step.module}.handler",
            runtime=self._runtime,
            architecture=self._architecture,
            memory_size=step.memory_mb,
            timeout=Duration.seconds(step.timeout_seconds),
            layers=[self._core, *([self._plotting] if step.plots else [])],
            environment=self._common_variables() | dict(variables),
            role=self._role(step, [*statements, *self._observe(log_group)]),
            log_group=log_group,
            logging_format=lambda_.LoggingFormat.JSON,
            application_log_level_v2=lambda_.ApplicationLogLevel.INFO,
            system_log_level_v2=lambda_.SystemLogLevel.INFO,
            tracing=lambda_.Tracing.ACTIVE if settings.tracing else lambda_.Tracing.DISABLED,
        )

    @property
    def _runtime(self) -> lambda_.Runtime:
        return lambda_.Runtime(f"python{self._target.python}", lambda_.RuntimeFamily.PYTHON)

    @property
    def _architecture(self) -> lambda_.Architecture:
        return lambda_.Architecture.custom(self._target.architecture)

    def _common_variables(self) -> dict[str, str]:
        return {
            **self._variables,
            "CODE_VERSION": self._code.asset_hash[:_VERSION_CHARACTERS],
            "POWERTOOLS_SERVICE_NAME": PROJECT,
            "POWERTOOLS_LOG_LEVEL": "INFO",
            "POWERTOOLS_TRACE_DISABLED": str(not self._environment.functions.tracing).lower(),
        }

    def _role(self, step: Step, statements: list[iam.PolicyStatement]) -> iam.IRole:
        role = iam.Role(
            self,
            f"{step.id}Role",
            description=f"State {step.name!r} of {self._names.state_machine}",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
            inline_policies={"function": iam.PolicyDocument(statements=statements)},
        )
        # All that it may do stands in this one policy: no construct adds to it.
        return role.without_policy_updates()

    def _observe(self, log_group: logs.LogGroup) -> list[iam.PolicyStatement]:
        write = ["logs:CreateLogStream", "logs:PutLogEvents"]
        logging = allow(write, [log_group.log_group_arn])
        if not self._environment.functions.tracing:
            return [logging]
        # X-Ray has no resources to name.
        return [logging, allow(["xray:PutTelemetryRecords", "xray:PutTraceSegments"], ["*"])]

    def _log_group(self, step: Step) -> logs.LogGroup:
        return log_group(
            self,
            f"{step.id}Logs",
            environment=self._environment,
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

    def _layer(self, name: str) -> lambda_.LayerVersion:
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
        # The CLI runs the command when it publishes and the bucket does not hold the hash yet:
        # synth, diff and snapshots neither build nor download.
        stack = Stack.of(self)
        location = stack.synthesizer.add_file_asset(
            source_hash=layer_hash(name, self._target),
            executable=command(name, self._target),
            display_name=f"layer {name}",
        )
        bucket = s3.Bucket.from_bucket_name(self, f"{name.title()}Assets", location.bucket_name)
        return lambda_.Code.from_bucket(bucket, location.object_key)


def log_group(
    scope: Construct, construct_id: str, *, environment: Environment, name: str
) -> logs.LogGroup:
    """Make a log group that keeps as long as the environment says."""
    return logs.LogGroup(
        scope,
        construct_id,
        log_group_name=name,
        retention=_retention(environment.functions.log_retention_days),
        removal_policy=kept_or_not(environment),
    )


def _retention(days: int) -> logs.RetentionDays:
    by_days = {
        1: logs.RetentionDays.ONE_DAY,
        3: logs.RetentionDays.THREE_DAYS,
        5: logs.RetentionDays.FIVE_DAYS,
        7: logs.RetentionDays.ONE_WEEK,
        14: logs.RetentionDays.TWO_WEEKS,
        30: logs.RetentionDays.ONE_MONTH,
        60: logs.RetentionDays.TWO_MONTHS,
        90: logs.RetentionDays.THREE_MONTHS,
        180: logs.RetentionDays.SIX_MONTHS,
        365: logs.RetentionDays.ONE_YEAR,
        731: logs.RetentionDays.TWO_YEARS,
        3653: logs.RetentionDays.TEN_YEARS,
    }
    return by_days[days]
