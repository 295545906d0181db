"""Links into the AWS console."""

from __future__ import annotations

from urllib.parse import quote

from lambdas.domain.run.arns import Arn


def execution_url(arn: str) -> str:
    return _step_functions(arn, "executions/details")


def state_machine_url(arn: str) -> str:
    return _step_functions(arn, "statemachines/view")


def object_url(region: str, bucket: str, key: str) -> str:
    return f"{_console(region)}/s3/object/{bucket}?region={region}&prefix={quote(key)}"


def bedrock_quotas_url(region: str) -> str:
    return f"{_console(region)}/servicequotas/home/services/bedrock/quotas"


def _step_functions(arn: str, page: str) -> str:
    region = Arn.parse(arn).region
    return f"{_console(region)}/states/home?region={region}#/v2/{page}/{arn}"


def _console(region: str) -> str:
    return f"https://{region}.console.aws.amazon.com"
