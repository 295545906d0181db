"""The commands that a person runs against a deployed environment."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import NoCredentialsError, UnauthorizedSSOTokenError

from operate import cleanup, destroy, doctor
from operate.deployed import STACKS, Deployed, NotDeployed, find_deployed
from stacks.environment import EnvironmentInvalid
from tests.fakes.inventory import FakeInventory
from tests.fakes.s3 import client_error

MACHINE = "arn:aws:states:us-east-1:1:stateMachine:bedrock-tuning-dev"
DEPLOYED = Deployed(
    "dev", "us-east-1", {"StateMachineArn": MACHINE, "CleanupArn": f"{MACHINE}-cleanup"}
)

KEEP = {"bedrock-tuning:keep": "1"}


class FakeAws:
    """CloudFormation, Step Functions and Bedrock as one: boto3.client returns it for each."""

    def __init__(self, account: FakeInventory) -> None:
        self.account = account
        self.stacks: dict[str, dict[str, str]] = {}
        self.protected: set[str] = set()
        self.done: list[str] = []
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
        described = {
            "Outputs": [{"OutputKey": k, "OutputValue": v} for k, v in outputs],
            "EnableTerminationProtection": StackName in self.protected,
        }
        return {"Stacks": [described]}

    def update_termination_protection(self, *, StackName: str, **_: Any) -> None:  # noqa: N803  # AWS's name
        self.done.append("unprotect")
        self.protected.remove(StackName)

    def get_paginator(self, operation: str) -> FakeAws:
        assert operation == "list_executions"
        return self

    def paginate(self, **_: Any) -> list[dict[str, Any]]:
        """Return a page for each execution."""
        return [{"executions": [{"name": each, "executionArn": each}]} for each in self.running]

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


def test_a_plan_that_does_not_know_all_is_a_failure(aws: FakeAws) -> None:
    plan = {"mode": "plan", "summary": "THE TABLE", "problems": "list of jobs: denied"}
    aws.ended = [{"status": "SUCCEEDED", "output": json.dumps(plan)}]
    assert cleanup.run(DEPLOYED, {}) == 1


def test_clean_up_that_fails_says_why(aws: FakeAws, capsys: pytest.CaptureFixture[str]) -> None:
    aws.ended = [{"status": "FAILED", "error": "InputInvalid", "cause": "say what"}]
    assert cleanup.run(DEPLOYED, {"mode": "delete"}) == 1
    assert "InputInvalid: say what" in capsys.readouterr().err


def test_broken_input_is_bad_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert cleanup.main(["--env", "dev", "--input", "{"]) == 2
    assert "INPUT is not JSON" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("[]", "INPUT is not an object"),
        ('{"mode": "delete"}', "choose what by kinds, runs or older_than_days"),
        ('{"kind": ["custom-model"]}', "Did you mean 'kinds'?"),
    ],
)
def test_what_the_machine_would_refuse_is_refused_before_aws_is_asked(
    aws: FakeAws, capsys: pytest.CaptureFixture[str], given: str, says: str
) -> None:
    assert cleanup.main(["--env", "dev", "--input", given]) == 2
    assert says in capsys.readouterr().err
    assert aws.regions == set()


@pytest.mark.parametrize(
    ("error", "hints"),
    [
        (NoCredentialsError(), True),
        (UnauthorizedSSOTokenError(), True),
        (client_error("ExpiredToken"), True),
        (client_error("AccessDenied"), False),
    ],
    ids=str,
)
@pytest.mark.parametrize("command", [cleanup.main, destroy.main, doctor.main])
def test_every_command_says_how_to_log_in(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: Callable[[Sequence[str]], int],
    error: Exception,
    *,
    hints: bool,
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise error

    refusing = SimpleNamespace(describe_stacks=refuse, get_caller_identity=refuse)
    monkeypatch.setattr("boto3.client", lambda *_, **__: refusing)
    unasked = ["--yes"] if command is destroy.main else []
    assert command(["--env", "dev", *unasked]) == 2
    said = capsys.readouterr().err
    assert ("Log in first, for example with aws sso login" in said) is hints
    assert said.count("\n") == 1


def test_cleaning_up_what_is_not_deployed_is_an_error(
    aws: FakeAws, capsys: pytest.CaptureFixture[str]
) -> None:
    assert aws.stacks == {}
    assert cleanup.main(["--env", "dev"]) == 2
    assert "make deploy ENV=dev" in capsys.readouterr().err


def test_nothing_is_in_the_way_of_an_empty_environment(aws: FakeAws) -> None:
    aws.account.add("custom-model", "dev-kept", tags=KEEP)
    assert list(destroy.obstacles(DEPLOYED)) == []


def test_what_bills_or_runs_is_in_the_way(aws: FakeAws) -> None:
    aws.running = ["first-try", "second-try"]
    aws.account.add("provisioned-model", "dev-t")
    aws.account.add("custom-model-deployment", "dev-d")
    aws.account.add("custom-model", "dev-m")
    aws.account.add("model-customization-job", "dev-j")
    found = {each.text: each.passes for each in destroy.obstacles(DEPLOYED)}
    assert found == {
        "execution first-try is running": True,
        "execution second-try is running": True,
        "throughput dev-t is still billed: price unknown": True,  # of Haiku in us-east-1
        "deployment dev-d is there: by the token, for whoever calls it": True,
        "custom-model dev-m is still billed: $1.95 a month": False,
        "job dev-j is still billed: it is training": True,
    }


@pytest.mark.parametrize("kind", ["provisioned-model", "custom-model-deployment"])
def test_keep_excuses_no_capacity(aws: FakeAws, kind: str) -> None:
    aws.account.add(kind, "dev-t", tags=KEEP)
    assert len(list(destroy.obstacles(DEPLOYED))) == 1


def test_what_cannot_be_looked_at_is_in_the_way(aws: FakeAws) -> None:
    aws.account.fail("list_provisioned_model_throughputs", "AccessDeniedException")
    aws.account.add("custom-model", "dev-m")
    texts = [each.text for each in destroy.obstacles(DEPLOYED)]
    assert any("could not look at list of throughputs" in text for text in texts)
    assert any("dev-m is still billed" in text for text in texts)


@pytest.fixture
def done(aws: FakeAws, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What `make destroy` does to a deployed environment, in order."""
    aws.stacks = {f"bedrock-tuning-dev-{stack}": {"Made": stack} for stack in STACKS}
    aws.protected.add("bedrock-tuning-dev-guards")

    def cdk(command: list[str], **_: Any) -> None:
        stacks = [each for each in command if each.startswith("bedrock-tuning-")]
        for stack in stacks:
            assert stack not in aws.protected
            aws.stacks.pop(stack, None)  # cdk passes over what is gone
            aws.done.append(stack.removeprefix("bedrock-tuning-dev-"))
        assert "--exclusively" in command

    monkeypatch.setattr("subprocess.run", cdk)
    monkeypatch.setattr("time.sleep", lambda _: aws.done.append("wait"))
    return aws.done


def test_the_guards_go_after_the_pipeline_and_before_their_topic(
    aws: FakeAws, done: list[str]
) -> None:
    assert destroy.main(["--env", "dev", "--yes"]) == 0
    assert done == ["pipeline", "wait", "unprotect", "guards", "operations", "storage"]
    assert aws.protected == set()


def test_what_is_bought_meanwhile_keeps_the_guards_until_they_have_ended_it(
    aws: FakeAws, done: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run had begun after the look, and a function that it called bought."""

    def sleep(_: float) -> None:
        done.append("wait")
        if done.count("wait") == 1:
            aws.account.add("provisioned-model", "dev-t")
        elif done.count("wait") == 3:
            aws.account.things.clear()

    monkeypatch.setattr("time.sleep", sleep)
    assert destroy.main(["--env", "dev", "--yes"]) == 0
    assert done[:5] == ["pipeline", "wait", "wait", "wait", "unprotect"]


def test_guards_stay_if_something_is_left_that_they_do_not_end(
    aws: FakeAws,
    done: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: aws.account.add("custom-model", "dev-m"))
    assert destroy.main(["--env", "dev", "--yes"]) == 1
    assert done == ["pipeline"]
    said = capsys.readouterr().err
    assert "guards, operations and storage are there" in said
    assert "dev-m is still billed" in said
    aws.account.things.clear()
    monkeypatch.setattr("time.sleep", lambda _: None)
    assert destroy.main(["--env", "dev", "--yes"]) == 0
    assert aws.stacks == {}


@pytest.mark.parametrize(("force", "status"), [([], 1), (["--force"], 0)])
def test_destroying_is_refused_unless_forced(
    aws: FakeAws,
    done: list[str],
    capsys: pytest.CaptureFixture[str],
    force: list[str],
    status: int,
) -> None:
    aws.account.add("custom-model", "dev-m")
    assert destroy.main(["--env", "dev", "--yes", *force]) == status
    assert ("dev-m is still billed" in capsys.readouterr().err) is not bool(force)
    assert ("pipeline" in done) is bool(force)


def test_destroying_is_refused_where_it_cannot_be_told(
    aws: FakeAws, done: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    aws.account.fail("list_provisioned_model_throughputs", "AccessDeniedException")
    assert destroy.main(["--env", "dev", "--yes"]) == 1
    assert "could not look at" in capsys.readouterr().err
    assert done == []


def test_a_protected_stack_is_named_before_any_is_removed(
    aws: FakeAws, done: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    aws.protected |= {"bedrock-tuning-dev-storage"}
    assert destroy.main(["--env", "dev", "--yes", "--force"]) == 1
    assert "bedrock-tuning-dev-storage. Lift it" in capsys.readouterr().err
    assert done == []


@pytest.mark.parametrize(("answer", "status"), [("y", 0), ("", 1), ("n", 1)])
def test_a_person_is_asked(
    done: list[str], monkeypatch: pytest.MonkeyPatch, answer: str, status: int
) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("builtins.input", lambda _: answer)
    assert destroy.main(["--env", "dev"]) == status
    assert bool(done) is (status == 0)


def test_without_a_terminal_nobody_is_asked_and_nothing_hangs(
    done: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: False)
    assert destroy.main(["--env", "dev"]) == 2
    assert "YES=1" in capsys.readouterr().err
    assert done == []
