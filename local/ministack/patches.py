"""All that we change in MiniStack's private names, applied once to that of this process.

A change says what it replaces or stands on, and why; a contract test proves what it does.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ministack.core import iam_actions, iam_evaluator
from ministack.services import s3, tagging

from local.clock import SimulatedClock
from local.ministack import cloudformation, functions, schedules, state_machines
from local.ministack.upstream import PatchOutdated, check_version, is_there
from local.states.expressions import Expressions
from local.states.service import StepFunctions

_CHECKED_BY_US = ("bedrock", "bedrock-runtime", "comprehend", "service-quotas")


@dataclass(frozen=True)
class Parts:
    """What the patches put into MiniStack."""

    clock: SimulatedClock
    processes: functions.OwnProcesses
    expressions: Expressions
    executions: StepFunctions
    bedrock_tags: Callable[[str], dict[str, str] | None]


@dataclass(frozen=True)
class Patch:
    """A change of MiniStack; `names` are in its package, `test` in tests/workflow/ministack."""

    why: str
    names: str
    test: str
    act: Callable[[Parts], None]

    def missing(self) -> list[str]:
        """Return which of its names MiniStack no longer has."""
        return [name for name in self.names.split() if not is_there(name)]


def _leave_bedrock_to_its_own_authorization() -> None:
    """Stock maps Bedrock's calls to wrong actions and to `*`; `gateway` checks them.

    Amazon Comprehend and Service Quotas, which stock does not have, are checked there too.
    """
    extract = iam_actions.extract_iam_action

    def extract_unless_bedrock(service: str, *args: Any, **kwargs: Any) -> str | None:
        return None if service in _CHECKED_BY_US else extract(service, *args, **kwargs)

    iam_actions.extract_iam_action = extract_unless_bedrock


def _show_bedrock_tags_to_policies(tags_of: Callable[[str], dict[str, str] | None]) -> None:
    """Make aws:ResourceTag conditions work on Bedrock's resources."""
    stock = tagging.resource_tags

    def resource_tags(arn: str) -> dict[str, str] | None:
        return tags_of(arn) if arn.startswith("arn:aws:bedrock:") else stock(arn)

    tagging.resource_tags = resource_tags


def _make_the_checksum_that_a_copy_asks_for() -> None:
    """Stock looks for the header of uploads only, and keeps the checksums of the source."""
    copy = s3._copy_object

    def copy_with_checksum(bucket: str, key: str, headers: dict[str, str]) -> Any:
        asked = headers.get("x-amz-checksum-algorithm")
        wanted = {"x-amz-sdk-checksum-algorithm": asked} if asked else {}
        return copy(bucket, key, headers | wanted)

    s3._copy_object = copy_with_checksum


def _parse_policies_once() -> None:
    """Stock parses all policies of a role for each of its requests, twice."""
    parse = iam_evaluator.parse_policy_document
    parsed = functools.cache(parse)
    iam_evaluator.parse_policy_document = lambda document: (
        parsed(document) if isinstance(document, str) else parse(document)
    )


PATCHES = (
    Patch(
        "Stock Step Functions runs in threads and real time, and lacks most rules of JSONata.",
        "app.SERVICE_HANDLERS services.stepfunctions._start_execution "
        "services.stepfunctions._state_machines core.iam_actions.extract_resource_arn",
        "test_state_machines.test_a_task_waits_until_its_token_is_brought_back_once",
        lambda parts: state_machines.run_executions(parts.executions),
    ),
    Patch(
        "Stock creates definitions that AWS refuses.",
        "services.stepfunctions._validate_definition_jsonata "
        "services.cloudformation.provisioners._sfn_definition",
        "test_state_machines.test_a_definition_that_aws_refuses_is_refused",
        lambda parts: state_machines.check_definitions(parts.expressions),
    ),
    Patch(
        "Stock workers know no error by its class, and no simulated time.",
        "services.lambda_svc._execute_function_warm services.lambda_svc._resolve_layer_zip "
        "services.lambda_svc._runtime_env_vars",
        "test_lambda.test_an_exception_is_reported_by_its_class_name",
        lambda parts: parts.processes.replace_workers(),
    ),
    Patch(
        "Stock invokes the functions that events have as targets in threads of their own.",
        "services.eventbridge._dispatch_to_lambda",
        "test_schedules.test_schedules_ring_on_the_simulated_clock",
        lambda parts: functions.invoke_targets_on_the_clock(parts.clock),
    ),
    Patch(
        "Stock polls for schedules in real time.",
        "services.eventbridge._tick_scheduled_rules services.scheduler._tick_schedules "
        "services.eventbridge._SCHEDULER_TICK_INTERVAL "
        "services.scheduler._SCHEDULE_TICK_INTERVAL",
        "test_schedules.test_schedules_ring_on_the_simulated_clock",
        lambda parts: schedules.ring_schedules_on_the_clock(parts.clock),
    ),
    Patch(
        "SQS drops what is older, by real time, than it keeps.",
        "services.sns.time services.sqs.time",
        "test_schedules.test_a_message_of_a_topic_is_no_older_than_the_clock_says",
        lambda parts: schedules.date_messages_by_the_clock(parts.clock),
    ),
    Patch(
        "Stock maps Bedrock's calls to wrong actions, and to `*`.",
        "core.iam_actions.extract_iam_action",
        "test_access.test_bedrock_calls_are_authorized_as_on_aws",
        lambda _: _leave_bedrock_to_its_own_authorization(),
    ),
    Patch(
        "Conditions on tags know no tag of ours.",
        "services.tagging.resource_tags",
        "test_access.test_policies_see_the_tags_of_bedrock_resources",
        lambda parts: _show_bedrock_tags_to_policies(parts.bedrock_tags),
    ),
    Patch(
        "CloudFormation lacks budgets, composite alarms, and buckets that empty themselves.",
        "services.cloudformation.provisioners._RESOURCE_HANDLERS "
        "services.cloudformation.provisioners._REPLACING_PROPERTIES "
        "services.cloudformation.provisioners._STACK_TAG_PROPERTY "
        "services.cloudwatch._put_composite_alarm services.budgets._create_budget",
        "test_cloudformation.test_a_budget_lives_with_its_stack",
        lambda _: cloudformation.create_types_that_stock_lacks(),
    ),
    Patch(
        "CloudFormation refuses alarms on metric math.",
        "services.cloudformation.provisioners._cw_metric_alarm_record",
        "test_cloudformation.test_alarms_on_metric_math_and_composite_alarms_deploy",
        lambda _: cloudformation.keep_alarms_on_metric_math(),
    ),
    Patch(
        "S3 makes no checksum that a copy asks for.",
        "services.s3._copy_object",
        "test_copies.test_a_copy_has_the_checksum_that_it_asks_for",
        lambda _: _make_the_checksum_that_a_copy_asks_for(),
    ),
    Patch(
        "Policies are parsed for each request, which takes a tenth of its time.",
        "core.iam_evaluator.parse_policy_document",
        "test_access.test_a_policy_counts_as_soon_as_it_is_changed",
        lambda _: _parse_policies_once(),
    ),
)


def apply(parts: Parts) -> None:
    """Apply every patch, or say which does not fit any more."""
    check_version()
    for patch in PATCHES:
        if missing := patch.missing():
            raise PatchOutdated(f"{', '.join(missing)} is gone from ministack: {patch.why}")
        patch.act(parts)
