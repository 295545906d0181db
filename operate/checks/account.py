"""The account itself: that it is the right one, bootstrapped, and has room."""

from __future__ import annotations

from collections.abc import Iterator

from lambdas.aws.quotas import read_quotas
from lambdas.domain.models.lookup import find_model
from lambdas.domain.preflight.quotas import CUSTOM_MODELS, Quota, across_custom_models, of_model
from operate.checks.finding import Account, Check, Finding, Verdict, code_of
from stacks.constructs.step import MAX_MEMORY_MB

# The least that the templates' own rule accepts; the parameter is that of the default qualifier.
_LEAST_BOOTSTRAP = 6
_BOOTSTRAP = "/cdk-bootstrap/hnb659fds/version"
# A run calls one function at a time, but for two batches of a review; guard, reaper and clean-up
# come on top.
_FUNCTIONS_AT_ONCE = 5
_REQUEST = "request an increase in Service Quotas, Amazon Bedrock; it can take days"
_JOBS_QUOTA = "L-0406044C"  # (Model customization) Scheduled customization jobs
_PENDING_MODELS_QUOTA = "L-C02E1E99"  # Custom models with a creating status per account


def _right_account(account: Account) -> Iterator[Finding]:
    pinned = account.environment.account
    found = f"{account.number} in {account.region}"
    if pinned is None:
        hint = "environments/ pins none: a deployment goes wherever the credentials lead"
        yield Finding(Verdict.NOTE, "account", found, hint)
    elif pinned == account.number:
        yield Finding(Verdict.OK, "account", found, "the one that the environment is pinned to")
    else:
        yield Finding(
            Verdict.FIX, "account", found, f"the environment is pinned to {pinned}: log in there"
        )


def _bootstrap(account: Account) -> Iterator[Finding]:
    command = f"run: cdk bootstrap -c env={account.environment.name}"
    try:
        parameter = account.client("ssm").get_parameter(Name=_BOOTSTRAP)["Parameter"]
    except Exception as error:
        if code_of(error) != "ParameterNotFound":
            raise
        yield Finding(Verdict.FIX, "CDK bootstrap", f"none in {account.region}", command)
        return
    version = int(parameter["Value"])
    if version < _LEAST_BOOTSTRAP:
        needed = f"at least {_LEAST_BOOTSTRAP} is needed; {command}"
        yield Finding(Verdict.FIX, "CDK bootstrap", f"version {version}", needed)
    else:
        yield Finding(Verdict.OK, "CDK bootstrap", f"version {version}")


def _lambda(account: Account) -> Iterator[Finding]:
    limit = account.client("lambda").get_account_settings()["AccountLimit"]
    at_once = int(limit["ConcurrentExecutions"])
    free = int(limit.get("UnreservedConcurrentExecutions", at_once))
    found = f"{at_once} at once, {free} of them not reserved"
    if free < _FUNCTIONS_AT_ONCE:
        means = f"a run and its guards need {_FUNCTIONS_AT_ONCE}: free some or request more"
        yield Finding(Verdict.FIX, "Lambda concurrency", found, means)
    else:
        yield Finding(Verdict.OK, "Lambda concurrency", found, "nothing here reserves any")
    yield Finding(
        Verdict.NOTE,
        "Lambda memory",
        f"at most {MAX_MEMORY_MB:,} MB a function",
        "what a young account allows; AWS does not tell an account's own limit",
    )


def _quotas(account: Account) -> Iterator[Finding]:
    quotas = read_quotas(account.client("service-quotas"))
    defaults = account.environment.defaults
    own = of_model(quotas, find_model(defaults.model))
    yield _quota(
        across_custom_models(quotas), f"throughput ({CUSTOM_MODELS})", defaults.model_units
    )
    yield _quota(own, f"throughput of {defaults.model}", defaults.model_units)
    by_code = {quota.code: quota for quota in quotas}
    yield _quota(by_code.get(_JOBS_QUOTA), f"customization jobs ({_JOBS_QUOTA})", 1)
    if pending := by_code.get(_PENDING_MODELS_QUOTA):
        yield _quota(pending, f"models being made ({_PENDING_MODELS_QUOTA})", 1)


def _quota(quota: Quota | None, what: str, least: int) -> Finding:
    title = f"quota of {what}"
    if quota is None:
        means = "look it up by its name in Service Quotas; a purchase beyond it is refused"
        return Finding(Verdict.NOTE, title, "not in the list that AWS gives", means)
    if quota.value < least:
        means = f"a run needs {least} of {quota.name}: {_REQUEST}"
        return Finding(Verdict.FIX, title, f"{quota.value:g}", means)
    return Finding(Verdict.OK, title, f"{quota.value:g}", f"a run needs {least}")


def _use(what: str, call: str, member: str, **filters: str) -> Check:
    def count(account: Account) -> Iterator[Finding]:
        pages = account.client("bedrock").get_paginator(call)
        number = sum(len(page[member]) for page in pages.paginate(**filters))
        means = "in the whole account; quotas count them" if number else ""
        yield Finding(Verdict.NOTE if number else Verdict.OK, what, str(number), means)

    return Check(what, count)


ACCOUNT_CHECKS = (
    Check("account", _right_account),
    Check("CDK bootstrap", _bootstrap),
    Check("Lambda limits", _lambda),
    Check("Bedrock quotas", _quotas),
    _use("throughputs", "list_provisioned_model_throughputs", "provisionedModelSummaries"),
    _use(
        "running jobs",
        "list_model_customization_jobs",
        "modelCustomizationJobSummaries",
        statusEquals="InProgress",
    ),
    _use("custom models", "list_custom_models", "modelSummaries"),
)
