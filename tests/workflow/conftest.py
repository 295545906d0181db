"""One offline AWS a test process, with the `local` environment really deployed into it."""

from __future__ import annotations

import gc
import json
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from lambdas.domain.run.dataset_files import GENERAL, dataset_prefix
from local.bedrock import Scenario
from local.rehearsal.deployment import bootstrap, deploy, run_cdk, upload_converted
from local.rehearsal.rehearse import REGION
from local.server import OfflineAws
from operate.deployed import Deployed
from tests.repository import ROOT
from tests.workflow.deployed_machine import Machine


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """MiniStack leaves the pipes of ended functions to the garbage collector."""
    for item in items:
        if "workflow" in item.path.parts:
            item.add_marker(pytest.mark.filterwarnings("ignore::ResourceWarning"))
            item.add_marker(
                pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
            )


@pytest.fixture(scope="session")
def offline() -> Iterator[OfflineAws]:
    environ = dict(os.environ)
    server = OfflineAws(region=REGION)
    server.start()
    yield server
    with warnings.catch_warnings():  # at the end of whichever test comes last, as above
        warnings.simplefilter("ignore", ResourceWarning)
        server.stop()
        gc.collect()
    os.environ.clear()
    os.environ.update(environ)


@pytest.fixture(autouse=True)
def _fresh_bedrock(request: pytest.FixtureRequest) -> None:
    """Every test starts with no jobs, no throughputs, no faults and an empty meter."""
    if "offline" in request.fixturenames:
        server: OfflineAws = request.getfixturevalue("offline")
        server.bedrock.reset()
        server.bedrock.scenario = Scenario()
        server.faults.set()


@pytest.fixture(scope="session")
def assembly(offline: OfflineAws, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `local` environment's cloud assembly, synthesised once by the real CLI."""
    del offline  # its variables must be in place before any AWS tool runs
    folder = tmp_path_factory.mktemp("assembly")
    run_cdk("synth", "--quiet", "--all", "-c", "env=local", "--output", str(folder))
    return folder


@pytest.fixture(scope="session")
def deployed(offline: OfflineAws, assembly: Path) -> Deployed:
    del offline
    bootstrap()
    stacks = deploy("local", assembly=assembly)
    upload_converted(ROOT / "dataset", stacks.bucket, "claude-3-haiku")
    # The general questions would double what every run asks; the rehearsal's tests have them.
    s3: Any = boto3.client("s3")
    s3.delete_object(Bucket=stacks.bucket, Key=dataset_prefix("default") + GENERAL)
    return stacks


@pytest.fixture
def machine(deployed: Deployed, offline: OfflineAws) -> Machine:
    return Machine(deployed.state_machine_arn, deployed.bucket, offline)


@pytest.fixture
def inbox(offline: OfflineAws, deployed: Deployed) -> Iterator[str]:
    """A queue that gets what the topic mails."""
    del offline, deployed
    sqs: Any = boto3.client("sqs")
    sns: Any = boto3.client("sns")
    queue = sqs.create_queue(QueueName="inbox")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]
    allow = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn["QueueArn"],
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": policy})
    [topic] = [
        each["TopicArn"]
        for each in sns.list_topics()["Topics"]
        if each["TopicArn"].endswith("bedrock-tuning-local-notifications")
    ]
    subscription = sns.subscribe(
        TopicArn=topic, Protocol="sqs", Endpoint=arn["QueueArn"], ReturnSubscriptionArn=True
    )["SubscriptionArn"]
    yield queue
    sns.unsubscribe(SubscriptionArn=subscription)
    sqs.delete_queue(QueueUrl=queue)


@pytest.fixture(scope="module")
def enforced(offline: OfflineAws, deployed: Deployed) -> Iterator[None]:
    """Check every call against the roles as deployed."""
    del deployed  # with its own permissions
    offline.enforce_iam(on=True)
    yield
    offline.enforce_iam(on=False)
