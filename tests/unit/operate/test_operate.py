"""The commands that a person runs against a deployed environment."""

from __future__ import annotations

import json
from typing import Any

import pytest

from operate import cleanup, destroy
from operate.deployed import Deployed, NotDeployed, find_deployed
from stacks.environment import EnvironmentInvalid
from tests.fakes.inventory import FakeInventory
from tests.fakes.s3 import client_error

MACHINE = "arn:aws:states:us-east-1:1:stateMachine:bedrock-tuning-dev"
DEPLOYED = Deployed(
    "dev", "us-east-1", {"StateMachineArn": MACHINE, "CleanupArn": f"{MACHINE}-cleanup"}
)


class FakeAws:
    """CloudFormation, Step Functions and Bedrock as one: boto3.client returns it for each."""

    def __init__(self, account: FakeInventory) -> None:
        self.account = account
        self.stacks: dict[str, dict[str, str]] = {}
        self.running: list[str] = []
        self.ended: list[dict[str, Any]] = []
        self.started: list[dict[str, Any]] = []
        self.regions: set[str] = set()

    def client(self, service: str, *, region_name: str) -> Any:
        self.regions.add(region_name)
        return self.account if service == "bedrock" else self

    def describe_stacks(self, *, StackName: str) -> dict[str, Any]:  # noqa: N803  # AWS's name
        if StackName not in self.stacks:
            error = client_error("ValidationError")
            error.args = (f"Stack with id {StackName} does not exist",)
            raise error
        outputs = self.stacks[StackName].items()
        return {"Stacks": [{"Outputs": [{"OutputKey": k, "OutputValue": v} for k, v in outputs]}]}

    def list_executions(self, **_: Any) -> dict[str, Any]:
        return {"executions": [{"name": name} for name in self.running]}

    def start_execution(self, **request: Any) -> dict[str, str]:
        self.started.append(request)
        return {"executionArn": "arn"}

    def describe_execution(self, **_: Any) -> dict[str, Any]:
        return self.ended.pop(0)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> FakeAws:
    fake = FakeAws(FakeInventory())
    monkeypatch.setattr("boto3.client", fake.client)
    monkeypatch.setattr(cleanup, "_POLL_SECONDS", 0)
    return fake


def test_outputs_of_all_stacks_are_read_in_the_environments_region(aws: FakeAws) -> None:
    aws.stacks = {
        "bedrock-tuning-dev-storage": {"BucketName": "b"},
        "bedrock-tuning-dev-pipeline": {"StateMachineArn": MACHINE},
    }
    found = find_deployed("dev")
    assert (found.bucket, found.state_machine_arn) == ("b", MACHINE)
    assert aws.regions == {"us-east-1"}
    with pytest.raises(NotDeployed, match="no output CleanupArn: deploy it again"):
        _ = found.cleanup_arn


def test_what_is_not_deployed_is_said_with_the_command(aws: FakeAws) -> None:
    assert aws.stacks == {}
    with pytest.raises(NotDeployed, match="make deploy ENV=dev"):
        find_deployed("dev")
    with pytest.raises(EnvironmentInvalid, match="no environment 'div': did you mean 'dev'"):
        find_deployed("div")


def test_clean_up_prints_the_plan_and_how_to_delete(
    aws: FakeAws, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = {"mode": "plan", "summary": "THE TABLE"}
    aws.ended = [{"status": "RUNNING"}, {"status": "SUCCEEDED", "output": json.dumps(plan)}]
    assert cleanup.run(DEPLOYED, {}) == 0
    assert "THE TABLE" in (said := capsys.readouterr().out)
    assert "Nothing was changed" in said
    assert aws.started == [{"stateMachineArn": f"{MACHINE}-cleanup", "input": "{}"}]


def test_clean_up_that_fails_says_why(aws: FakeAws, capsys: pytest.CaptureFixture[str]) -> None:
    aws.ended = [{"status": "FAILED", "error": "InputInvalid", "cause": "say what"}]
    assert cleanup.run(DEPLOYED, {"mode": "delete"}) == 1
    assert "InputInvalid: say what" in capsys.readouterr().err


def test_broken_input_is_bad_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert cleanup.main(["--env", "dev", "--input", "{"]) == 2
    assert "INPUT is not JSON" in capsys.readouterr().err


def test_cleaning_up_what_is_not_deployed_is_an_error(
    aws: FakeAws, capsys: pytest.CaptureFixture[str]
) -> None:
    assert aws.stacks == {}
    assert cleanup.main(["--env", "dev"]) == 2
    assert "make deploy ENV=dev" in capsys.readouterr().err


def test_nothing_is_in_the_way_of_an_empty_environment(aws: FakeAws) -> None:
    aws.account.add("custom-model-deployment", "dev-d")  # bills by the token only
    aws.account.add("custom-model", "dev-kept", tags={"bedrock-tuning:keep": "1"})
    assert list(destroy.obstacles(DEPLOYED)) == []


def test_what_bills_or_runs_is_in_the_way(aws: FakeAws) -> None:
    aws.running = ["first-try"]
    aws.account.add("provisioned-model", "dev-t")
    aws.account.add("custom-model", "dev-m")
    aws.account.add("model-customization-job", "dev-j")
    said = "\n".join(destroy.obstacles(DEPLOYED))
    assert "execution first-try is running" in said
    assert "throughput dev-t is still billed: price unknown" in said  # of Haiku in us-east-1
    assert "custom-model dev-m is still billed: $1.95 a month" in said
    assert "job dev-j is still billed: it is training" in said


@pytest.mark.parametrize(("force", "status"), [([], 1), (["--force"], 0)])
def test_destroying_is_refused_unless_forced(
    aws: FakeAws, capsys: pytest.CaptureFixture[str], force: list[str], status: int
) -> None:
    aws.stacks = {"bedrock-tuning-dev-storage": {"BucketName": "b"}}
    aws.account.add("custom-model", "dev-m")
    assert destroy.main(["--env", "dev", *force]) == status
    assert "dev-m is still billed" in capsys.readouterr().err


def test_destroying_is_refused_where_it_cannot_be_told(
    aws: FakeAws, capsys: pytest.CaptureFixture[str]
) -> None:
    aws.stacks = {"bedrock-tuning-dev-storage": {"BucketName": "b"}}
    aws.account.fail("list_provisioned_model_throughputs", "AccessDeniedException")
    assert destroy.main(["--env", "dev"]) == 2
    assert "could not check what is still billed" in capsys.readouterr().err
