"""What AWS's services may do with the environment's key, besides what IAM lets roles do.

The key's first statement, which the CDK writes, leaves the roles of the account to IAM. A service
that acts by itself, and not for a caller, needs a statement of its own.
"""

from __future__ import annotations

from aws_cdk import aws_iam as iam

from stacks.names import Names

_USE = ["kms:Decrypt", "kms:GenerateDataKey"]


def key_statements(names: Names, *, account: str, region: str) -> list[iam.PolicyStatement]:
    """Return a statement for Bedrock, CloudWatch Logs, alarms and budgets, and EventBridge."""
    return [
        _throughputs_serve_our_models(account),
        _logs_are_written(names, account=account, region=region),
        # The service that holds the message names the topic or the queue in the encryption
        # context. Not every service that publishes hands over aws:SourceAccount, and one that does
        # not would lose every alarm; topic and queue have policies of their own.
        _messages_arrive(
            "AlarmsReachTheTopic",
            ["cloudwatch", "budgets"],
            {"aws:sns:topicArn": f"arn:aws:sns:{region}:{account}:{names.of('notifications')}"},
        ),
        _messages_arrive(
            "EventsReachTheQueue",
            ["events"],
            {"aws:sqs:arn": f"arn:aws:sqs:{region}:{account}:{names.of('guard-undelivered')}"},
        ),
    ]


def _throughputs_serve_our_models(account: str) -> iam.PolicyStatement:
    """Without it a custom model is trained and paid, and its throughput never comes into service.

    https://docs.aws.amazon.com/nova/latest/userguide/customize-fine-tune-encrypt.html (read
    2026-11-28), which has no condition on the account: one that Bedrock does not meet would show
    only after the training, so it applies where Bedrock gives the account.
    """
    return iam.PolicyStatement(
        sid="ThroughputsServeOurModels",
        principals=[iam.ServicePrincipal("bedrock.amazonaws.com")],
        actions=_USE,
        resources=["*"],
        conditions={
            "ForAnyValue:StringEquals": {"kms:EncryptionContextKeys": "aws:bedrock:custom-model"},
            "StringEqualsIfExists": {"aws:SourceAccount": account},
        },
    )


def _logs_are_written(names: Names, *, account: str, region: str) -> iam.PolicyStatement:
    """Allow this environment's log groups.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html
    """
    machine = names.state_machine
    groups = [
        f"/aws/lambda/{machine}-*",
        f"/aws/vendedlogs/states/{machine}",
        f"/aws/vendedlogs/states/{machine}-*",
    ]
    arns = [f"arn:aws:logs:{region}:{account}:log-group:{group}" for group in groups]
    return iam.PolicyStatement(
        sid="LogsAreWritten",
        principals=[iam.ServicePrincipal(f"logs.{region}.amazonaws.com")],
        actions=[
            "kms:Decrypt*",
            "kms:Describe*",
            "kms:Encrypt*",
            "kms:GenerateDataKey*",
            "kms:ReEncrypt*",
        ],
        resources=["*"],
        conditions={"ArnLike": {"kms:EncryptionContext:aws:logs:arn": arns}},
    )


def _messages_arrive(sid: str, services: list[str], context: dict[str, str]) -> iam.PolicyStatement:
    return iam.PolicyStatement(
        sid=sid,
        principals=[iam.ServicePrincipal(f"{service}.amazonaws.com") for service in services],
        actions=_USE,
        resources=["*"],
        conditions={
            "StringEquals": {f"kms:EncryptionContext:{name}": arn for name, arn in context.items()}
        },
    )
