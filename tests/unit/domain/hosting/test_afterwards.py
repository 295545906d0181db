"""What a person is given to ask the tuned model with, and that it works as it is pasted."""

from __future__ import annotations

import json
import shlex
from datetime import timedelta

import pytest

from lambdas.domain.cost.actuals import NOTHING_BOUGHT
from lambdas.domain.errors import ServiceUnavailable
from lambdas.domain.hosting.afterwards import afterwards
from lambdas.domain.reporting.notification import body
from lambdas.domain.reporting.report import manifest, summary
from lambdas.domain.run.contracts import AnnounceHoldRequest, NotifyRequest, Report
from lambdas.domain.training.input_status import InputStatus
from lambdas.handlers.announce_hold import announce_hold
from tests.factories import EXECUTION, NOW, dataset, hosting, report_request, run
from tests.fakes.bedrock import TOPIC_ARN, FakeSns, install

PROMPT = """Answer "briefly"; it's $5, not `6`.\nIn two lines: \\n is none."""
UNTIL = NOW + timedelta(hours=30)


def told(prompt: str | None = PROMPT) -> str:
    return afterwards(run(), dataset(system_prompt=prompt), hosting(kind="on-demand"), UNTIL)


@pytest.mark.parametrize("prompt", [PROMPT, None])
def test_the_command_is_the_call_that_the_run_made(prompt: str | None) -> None:
    text = told(prompt)
    _, _, after = text.partition("With the AWS CLI:\n\n")
    command, _, code = after.partition("\n\nWith boto3:\n\n")
    words = shlex.split(command.replace(" \\\n", ""))  # which a shell joins
    assert words[:5] == ["aws", "bedrock-runtime", "converse", "--region", "us-west-2"]
    options = dict(zip(words[5::2], words[6::2], strict=True))
    assert options["--model-id"] == hosting().hosting_arn
    assert json.loads(options["--inference-config"]) == {"maxTokens": 300, "temperature": 0.0}
    if prompt:
        assert json.loads(options["--system"]) == [{"text": prompt}]
    else:
        assert "--system" not in options
    assert asked_by(code) == {
        "modelId": hosting().hosting_arn,
        **({"system": [{"text": prompt}]} if prompt else {}),
        "messages": json.loads(options["--messages"]),
        "inferenceConfig": {"maxTokens": 300, "temperature": 0.0},
    }


def asked_by(code: str) -> dict[str, object]:
    """Run the code with a client that only remembers."""
    asked: dict[str, object] = {}
    reply = {"output": {"message": {"content": [{"text": "That."}]}}}

    class Boto3:
        @staticmethod
        def client(service: str, region_name: str) -> type[Boto3]:
            assert (service, region_name) == ("bedrock-runtime", "us-west-2")
            return Boto3

        @staticmethod
        def converse(**request: object) -> object:
            asked.update(request)
            return reply

    exec(code.removeprefix("import boto3"), {"boto3": Boto3, "print": lambda _: None})  # noqa: S102  # it is ours
    return asked


def test_it_says_until_when() -> None:
    assert "until 2026-11-24 15:30 UTC" in told()


def hold(**changes: object) -> AnnounceHoldRequest:
    return AnnounceHoldRequest(
        run=run(hold_minutes=45, **changes), now=NOW, dataset=dataset(), hosting=hosting()
    )


@pytest.fixture
def sns(monkeypatch: pytest.MonkeyPatch) -> FakeSns:
    monkeypatch.setenv("TOPIC_ARN", TOPIC_ARN)
    fake = FakeSns()
    install(monkeypatch, sns=fake)
    return fake


def test_a_hold_is_mailed_with_arn_end_and_call(sns: FakeSns) -> None:
    held = announce_hold(hold())
    assert held.until == NOW + timedelta(minutes=45)
    [mail] = sns.called("Publish")
    assert "is held for 45 minutes" in mail["Subject"]
    assert hosting().hosting_arn in mail["Message"]
    assert "until 2026-11-23 10:15 UTC" in mail["Message"]
    assert "aws bedrock-runtime converse" in mail["Message"]
    assert "bills by the hour meanwhile" in mail["Message"]


def test_a_hold_that_cannot_be_mailed_says_so(sns: FakeSns) -> None:
    sns.fail("Publish", "InternalError")
    with pytest.raises(ServiceUnavailable):
        announce_hold(hold())


KEPT = report_request(hosting=hosting(kind="on-demand", release_by=UNTIL), release=None)


def facts(**changes: object) -> dict[str, object]:
    made: dict[str, object] = manifest(
        KEPT.model_copy(update=changes),
        bill=NOTHING_BOUGHT,
        offers=[],
        input_status=InputStatus(problem="none"),
        code_version=None,
    )["hosting"]
    return made


def test_the_manifest_says_until_when_a_deployment_stays_and_how_to_ask_it() -> None:
    kept = facts()
    assert (kept["kind"], kept["kept_until"]) == ("on-demand", UNTIL.isoformat())
    assert "aws bedrock-runtime converse" in str(kept["afterwards"])
    released = facts(release=report_request().release)
    assert (released["kept_until"], released["afterwards"]) == (None, None)


def test_the_mail_of_a_run_that_keeps_its_model_says_how_to_ask_it() -> None:
    report = Report(
        report_key="r",
        manifest_key="m",
        summary=summary(KEPT, NOTHING_BOUGHT, []),
        afterwards=told(),
        metered_usd=0.1,
        metered_at_most=False,
    )
    request = NotifyRequest(
        execution=EXECUTION, now=NOW, run=run(), report=report, verdict=KEPT.verdict
    )
    text = body(request, None)
    assert "The model stays deployed on demand until 2026-11-24 15:30 UTC" in text
    assert "aws bedrock-runtime converse" in text


def test_a_long_system_prompt_is_named_instead_of_repeated() -> None:
    """Twice as long as this, it would not fit into a state."""
    text = told("x" * 100_000)
    assert len(text) < 2_000
    assert "summary.system_prompt of s3://" in text
