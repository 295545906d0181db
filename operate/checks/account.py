"""The account itself: that it is the right one, bootstrapped, and has room."""

from __future__ import annotations

from collections.abc import Iterator

from lambdas.aws.inventory import Inventory
from lambdas.aws.quotas import read_quotas
from lambdas.domain.housekeeping.survey import KINDS
from lambdas.domain.models.lookup import find_model
from lambdas.domain.preflight.models import kinds_of_hosting
from lambdas.domain.preflight.quotas import (
    Demand,
    hosting_demands,
    in_use,
    problems_of,
    training_demands,
)
from operate.checks.finding import Account, Check, Finding, Verdict, code_of
from stacks.constructs.step import MAX_MEMORY_MB

# The least that the templates' own rule accepts; the parameter is that of the default qualifier.
_LEAST_BOOTSTRAP = 6
_BOOTSTRAP = "/cdk-bootstrap/hnb659fds/version"
# A run calls three functions at a time at most, which release, judge and score similarity; guard,
# reaper and clean-up come on top.
_FUNCTIONS_AT_ONCE = 6


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
    inventory = Inventory(None, account.client("bedrock"))
    used = in_use(each for kind in KINDS for each in inventory.listed(kind))
    yield from (_quota(each, Verdict.FIX, account) for each in training_demands(quotas, used))
    defaults = account.environment.defaults
    model = find_model(defaults.model)
    by_kind = [
        hosting_demands(kind, model, defaults.model_units, quotas, used)
        for kind in kinds_of_hosting(defaults.hosting, model, None, account.region)
    ]
    # A run takes another kind where the environment allows it.
    stuck = all(problems_of(demands, account.region) for demands in by_kind)
    verdict = Verdict.FIX if stuck else Verdict.NOTE
    yield from (_quota(each, verdict, account) for demands in by_kind for each in demands)


def _quota(demand: Demand, worst: Verdict, account: Account) -> Finding:
    title = f"quota of {demand.of}"
    if demand.quota is None:
        means = "look it up by its name in Service Quotas; what exceeds it is refused"
        return Finding(Verdict.NOTE, title, "not in the list that AWS gives", means)
    found = f"{demand.quota.value:g}, of which {demand.used} in use"
    if problem := demand.problem(account.region):
        return Finding(worst, title, found, problem)
    return Finding(Verdict.OK, title, found, f"a run needs {demand.needs}")


ACCOUNT_CHECKS = (
    Check("account", _right_account),
    Check("CDK bootstrap", _bootstrap),
    Check("Lambda limits", _lambda),
    Check("Bedrock quotas", _quotas),
)
