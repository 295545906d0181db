"""What is deployed: who is told, what runs, and whether purchases are seen."""

from __future__ import annotations

from collections.abc import Iterator

from botocore.exceptions import ClientError

from lambdas.aws.executions import Executions
from lambdas.domain.evaluation.similarity.file_names import weights_key
from operate.checks.finding import Account, Check, Finding, Verdict, code_of

_NOT_THERE = {"404", "NoSuchBucket", "NotFound", "NotFoundException"}
_PENDING = "PendingConfirmation"


def _subscriptions(account: Account) -> Iterator[Finding]:
    topic = f"arn:aws:sns:{account.region}:{account.number}:{account.names.of('notifications')}"
    pages = account.client("sns").get_paginator("list_subscriptions_by_topic")
    try:
        found = [each for page in pages.paginate(TopicArn=topic) for each in page["Subscriptions"]]
    except Exception as error:
        if code_of(error) not in _NOT_THERE:
            raise
        yield Finding(Verdict.NOTE, "mails", "not deployed yet")
        return
    pending = [each["Endpoint"] for each in found if each["SubscriptionArn"] == _PENDING]
    for address in pending:
        means = "open AWS's mail and confirm, or nothing reaches it"
        yield Finding(Verdict.FIX, "mails", f"{address} is not confirmed", means)
    confirmed = len(found) - len(pending)
    if not found:
        means = "a quote, a failure or an alarm reaches nobody: add [notifications] emails"
        yield Finding(Verdict.NOTE, "mails", "no recipient", means)
    elif confirmed:
        yield Finding(Verdict.OK, "mails", f"{confirmed} confirmed")


def _executions(account: Account) -> Iterator[Finding]:
    machine = account.names.machine_arn(account=account.number, region=account.region)
    running = Executions(account.client("stepfunctions")).running(machine).values()
    verdict = Verdict.NOTE if running else Verdict.OK
    means = "let them finish before settings change" if running else ""
    yield Finding(verdict, "running executions", ", ".join(running) or "none", means)


def _weights(account: Account) -> Iterator[Finding]:
    name = account.environment.similarity.weights
    if name is None:
        return
    bucket = account.names.bucket(account=account.number, region=account.region)
    try:
        account.client("s3").head_object(Bucket=bucket, Key=weights_key(name))
    except ClientError as error:
        if code_of(error) not in _NOT_THERE:
            raise
        means = f"runs have no BERTScore until make weights ENV={account.environment.name}"
        yield Finding(Verdict.NOTE, "weights", f"{name} is not in {bucket}", means)
    else:
        yield Finding(Verdict.OK, "weights", name)


def _trail(account: Account) -> Iterator[Finding]:
    if not account.environment.spending.watch_purchases:
        return
    trails = account.client("cloudtrail").describe_trails()["trailList"]
    if trails:
        names = ", ".join(each.get("Name", "?") for each in trails)
        yield Finding(Verdict.OK, "CloudTrail", names, "the purchase watch hears of purchases")
    else:
        means = "watch_purchases hears of nothing: make a trail with management events"
        yield Finding(Verdict.FIX, "CloudTrail", "no trail", means)


DEPLOYMENT_CHECKS = (
    Check("mails", _subscriptions),
    Check("running executions", _executions),
    Check("weights", _weights),
    Check("CloudTrail", _trail),
)
