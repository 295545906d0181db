"""Throughput, models, the runtime, faults and the meter of the offline Bedrock."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.bedrock import Fault, Location, Scenario
from local.bedrock.protocol import route
from tests.fakes.offline_bedrock import ACCOUNT, HAIKU, REGION, ROLE, Account

PROFILE = "us.amazon.nova-pro-v1:0"


def code(error: pytest.ExceptionInfo[ClientError]) -> str:
    found: str = error.value.response["Error"]["Code"]
    return found


def ask(model: str, text: str = "What is part 3?", **more: Any) -> dict[str, Any]:
    message = {"role": "user", "content": [{"text": text}]}
    return {"modelId": model, "messages": [message], "inferenceConfig": {"maxTokens": 99}, **more}


def test_a_throughput_serves_after_its_provisioning_and_bills_until_deleted() -> None:
    account = Account()
    arn = account.buy(account.tuned(), tags=[{"key": "release-by", "value": "soon"}])
    status = account.control.get_provisioned_model_throughput(provisionedModelId=arn)["status"]
    assert status == "Creating"
    with pytest.raises(ClientError) as error:
        account.control.delete_provisioned_model_throughput(provisionedModelId=arn)
    assert code(error) == "ConflictException"
    with pytest.raises(ClientError) as error:
        account.runtime.converse(**ask(arn))
    assert code(error) == "ModelNotReadyException"

    account.clock.advance(20)
    found = account.control.get_provisioned_model_throughput(provisionedModelId="capacity")
    assert (found["status"], found["provisionedModelArn"]) == ("InService", arn)
    assert account.bedrock.resource_tags(arn) == {"release-by": "soon"}
    assert account.runtime.converse(**ask(arn))["stopReason"] == "end_turn"
    account.clock.advance(10)
    account.control.delete_provisioned_model_throughput(provisionedModelId=arn)
    account.clock.advance(1000)
    bill = account.bedrock.snapshot()["meter"]
    assert bill["throughput_minutes"] == pytest.approx(30)
    assert bill["total_usd"] == pytest.approx(132.0 / 2)
    assert account.bedrock.alive() == []
    with pytest.raises(ClientError) as error:
        account.control.delete_provisioned_model_throughput(provisionedModelId=arn)
    assert code(error) == "ResourceNotFoundException"


def test_a_token_buys_once() -> None:
    account = Account(Scenario(no_commitment_units=5))
    model = account.tuned()
    first = account.buy(model, clientRequestToken="t")
    assert account.buy(model, "another-name", clientRequestToken="t") == first
    assert account.bedrock.snapshot()["purchases"] == 1


def test_the_quota_refuses_in_aws_words() -> None:
    account = Account(Scenario(no_commitment_units=1))
    model = account.tuned()
    account.buy(model)
    with pytest.raises(ClientError, match="any no commitment model units reserved") as error:
        account.buy(model, "second")
    assert code(error) == "ServiceQuotaExceededException"


def test_a_commitment_cannot_be_deleted_before_its_term() -> None:
    account = Account()
    arn = account.buy(account.tuned(), commitmentDuration="OneMonth")
    account.clock.advance(60)
    with pytest.raises(ClientError, match="committed") as error:
        account.control.delete_provisioned_model_throughput(provisionedModelId=arn)
    assert code(error) == "ConflictException"
    account.clock.advance(31 * 24 * 60)
    account.control.delete_provisioned_model_throughput(provisionedModelId=arn)


def test_a_model_that_serves_cannot_be_deleted() -> None:
    account = Account()
    model = account.tuned()
    account.buy(model)
    with pytest.raises(ClientError) as error:
        account.control.delete_custom_model(modelIdentifier=model)
    assert code(error) == "ConflictException"


def test_lifecycle_is_shown_as_it_is() -> None:
    account = Account()
    details = account.control.get_foundation_model(modelIdentifier=HAIKU)["modelDetails"]
    assert details["modelLifecycle"]["status"] == "LEGACY"
    assert details["customizationsSupported"] == ["FINE_TUNING"]
    account.bedrock.scenario = Scenario(haiku_arrangement=False)
    with pytest.raises(ClientError) as error:
        account.control.get_foundation_model(modelIdentifier=HAIKU)
    assert code(error) == "ResourceNotFoundException"
    listed = account.control.list_foundation_models(byProvider="Amazon")["modelSummaries"]
    assert {each["providerName"] for each in listed} == {"Amazon"}


NO_PROFILE = "on-demand throughput isn.t supported. Retry your request with the ID or ARN of an inf"
INVALID = "The provided model identifier is invalid"
NOVA_PRO, HAIKU_4_5 = "amazon.nova-pro-v1:0", "anthropic.claude-haiku-4-5-20251001-v1:0"


@pytest.mark.parametrize(
    ("model", "region", "words"),
    [
        ("no.such-model-v1:0", REGION, INVALID),
        ("us.no.such-model-v1:0", REGION, INVALID),
        (HAIKU, REGION, "Model not found"),  # with its context length it takes throughput
        ("amazon.nova-2-lite-v1:0:256k", "us-east-1", "model doesn't support on-demand throughput"),
        (NOVA_PRO, REGION, NO_PROFILE),
        ("amazon.nova-2-lite-v1:0", "us-east-1", NO_PROFILE),
        (HAIKU_4_5, "us-east-1", NO_PROFILE),
        (f"us.{NOVA_PRO}", "eu-west-1", INVALID),
        (f"eu.{NOVA_PRO}", REGION, INVALID),
        ("us.anthropic.claude-3-haiku-20240307-v1:0", "eu-west-1", INVALID),
        ("meta.llama3-1-8b-instruct-v1:0", "eu-west-1", INVALID),
        (f"arn:aws:bedrock:us-east-1::foundation-model/{NOVA_PRO}", REGION, INVALID),
        (f"arn:aws:bedrock:us-east-2:{ACCOUNT}:inference-profile/us.{NOVA_PRO}", REGION, INVALID),
        (f"arn:aws:bedrock:{REGION}:111111111111:inference-profile/us.{NOVA_PRO}", REGION, INVALID),
        (f"arn:aws:bedrock:{REGION}:{ACCOUNT}:inference-profile/{NOVA_PRO}", REGION, INVALID),
    ],
)
def test_an_id_that_the_region_does_not_serve_is_refused_in_aws_words(
    model: str, region: str, words: str
) -> None:
    with pytest.raises(ClientError, match=words) as error:
        Account(region=region).runtime.converse(**ask(model))
    assert code(error) == (
        "ResourceNotFoundException" if words == "Model not found" else "ValidationException"
    )


@pytest.mark.parametrize(
    ("model", "region"),
    [
        (NOVA_PRO, "us-east-1"),
        (f"arn:aws:bedrock:us-east-1::foundation-model/{NOVA_PRO}", "us-east-1"),
        (f"arn:aws:bedrock:us-east-2:{ACCOUNT}:inference-profile/us.{NOVA_PRO}", "us-east-2"),
        (f"eu.{NOVA_PRO}", "eu-west-1"),
        (f"global.{HAIKU_4_5}", "us-west-2"),
        ("us.meta.llama3-3-70b-instruct-v1:0", "us-west-2"),
        ("meta.llama3-1-8b-instruct-v1:0", "us-west-2"),
    ],
)
def test_an_id_is_served_in_its_regions(model: str, region: str) -> None:
    assert Account(region=region).runtime.converse(**ask(model))["stopReason"] == "end_turn"


def test_invoke_speaks_both_dialects_and_counts_tokens() -> None:
    account = Account()
    claude = {
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": 50,
        "messages": [{"role": "user", "content": "Hello there"}],
    }
    answer = account.runtime.invoke_model(
        modelId="anthropic.claude-3-haiku-20240307-v1:0", body=json.dumps(claude)
    )
    body = json.loads(answer["body"].read())
    assert body["content"][0]["type"] == "text"
    assert body["usage"]["output_tokens"] > 0
    nova = {"messages": [{"role": "user", "content": [{"text": "Hello there"}]}]}
    answer = account.runtime.invoke_model(modelId=PROFILE, body=json.dumps(nova))
    assert json.loads(answer["body"].read())["output"]["message"]["content"][0]["text"]
    metered = [item["what"] for item in account.bedrock.snapshot()["meter"]["items"]]
    assert metered == ["inference of Claude 3 Haiku", "inference of Nova Pro"]


def test_an_answer_is_cut_at_max_tokens() -> None:
    short = {"inferenceConfig": {"maxTokens": 5}}
    assert Account().runtime.converse(**{**ask(PROFILE), **short})["stopReason"] == "max_tokens"


def test_the_judge_fills_the_forced_tool() -> None:
    text = (
        "<question-0123abcd>What opens valve 3?</question-0123abcd>"
        "<reference_answer-0123abcd>Part 3 keeps valve 3 open.</reference_answer-0123abcd>"
        "<answer-0123abcd>{}</answer-0123abcd>"
    )
    tool = {
        "tools": [{"toolSpec": {"name": "record_correctness", "inputSchema": {"json": {}}}}],
        "toolChoice": {"tool": {"name": "record_correctness"}},
    }

    def score(answer: str) -> int:
        done = Account().runtime.converse(**ask(PROFILE, text.format(answer), toolConfig=tool))
        use = done["output"]["message"]["content"][0]["toolUse"]
        assert use["name"] == "record_correctness"
        assert use["input"]["reason"]
        given: int = use["input"]["score"]
        return given

    assert score("Part 3 keeps valve 3 open.") >= 8 > score("It depends on your goals.") >= 1
    assert score("") == 1


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("throttle", "ThrottlingException"),
        ("server_error", "InternalServerException"),
        ("access_denied", "AccessDeniedException"),
        ("quota", "ServiceQuotaExceededException"),
        ("refused", "ValidationException"),
        ("timeout_after_effect", "ServiceUnavailableException"),
    ],
)
def test_faults_answer_as_aws_would(kind: Any, expected: str) -> None:
    account = Account()
    model = account.tuned()
    fault = Fault("CreateProvisionedModelThroughput", kind, times=1)
    account.bedrock.scenario = Scenario(faults=(fault,))
    with pytest.raises(ClientError) as error:
        account.buy(model)
    assert code(error) == expected
    took_effect = kind == "timeout_after_effect"
    assert account.bedrock.snapshot()["purchases"] == int(took_effect)
    if not took_effect:
        account.buy(model)  # once only


def test_faults_count_calls_and_choose_models() -> None:
    fault = Fault("Converse", "throttle", times=1, after=1, model="nova-pro")
    account = Account(Scenario(faults=(fault,)))
    account.runtime.converse(**ask(PROFILE))
    account.runtime.converse(**ask("anthropic.claude-3-haiku-20240307-v1:0"))
    with pytest.raises(ClientError):
        account.runtime.converse(**ask(PROFILE))
    account.runtime.converse(**ask(PROFILE))


def test_a_scenario_comes_as_json() -> None:
    text = '{"no_commitment_units": 0, "faults": [{"operation": "Converse", "kind": "throttle"}]}'
    scenario = Scenario.from_json(text)
    assert (scenario.no_commitment_units, scenario.faults[0].operation) == (0, "Converse")
    with pytest.raises(ValueError, match="units\n  Unexpected keyword"):
        Scenario.from_json('{"units": 1}')


def checks(
    account: Account, service: str, method: str, path: str, body: Any = None
) -> list[tuple[str, str]]:
    found = account.bedrock.authorization(
        service, Location(ACCOUNT, REGION), method, path, json.dumps(body or {}).encode()
    )
    return [(action, resource) for action, resource, _ in found]


def test_authorization_is_as_aws_documents_it() -> None:
    account = Account()
    model = account.tuned()
    throughput = account.buy(model)
    here = f"arn:aws:bedrock:{REGION}:{ACCOUNT}"
    assert checks(account, "bedrock-runtime", "POST", f"/model/{PROFILE}/converse") == [
        ("bedrock:InvokeModel", f"{here}:inference-profile/{PROFILE}"),
        ("bedrock:InvokeModel", f"arn:aws:bedrock:{REGION}::foundation-model/amazon.nova-pro-v1:0"),
    ]
    assert checks(account, "bedrock-runtime", "POST", f"/model/{throughput}/converse") == [
        ("bedrock:InvokeModel", throughput)
    ]
    assert checks(account, "bedrock", "DELETE", "/provisioned-model-throughput/capacity") == [
        ("bedrock:DeleteProvisionedModelThroughput", throughput)
    ]
    tags = [{"key": "a", "value": "b"}]
    request = {
        "jobName": "j", "customModelName": "m", "roleArn": ROLE, "baseModelIdentifier": HAIKU,
        "trainingDataConfig": {"s3Uri": "s3://bucket/k"},
        "outputDataConfig": {"s3Uri": "s3://bucket/k"},
        "jobTags": tags,
    }  # fmt: skip
    needed = checks(account, "bedrock", "POST", "/model-customization-jobs", request)
    assert ("iam:PassRole", ROLE) in needed
    created = [arn for action, arn in needed if action == "bedrock:CreateModelCustomizationJob"]
    assert [arn.split(":")[5].split("/")[0] for arn in created] == [
        "foundation-model", "custom-model", "model-customization-job",
    ]  # fmt: skip
    assert "bedrock:TagResource" in dict(needed)


@pytest.mark.parametrize("encode", [True, False])
def test_paths_with_an_arn_are_found_encoded_or_not(encode: bool) -> None:  # noqa: FBT001  # a table's column
    arn = f"arn:aws:bedrock:{REGION}:{ACCOUNT}:model-customization-job/{HAIKU}/abcdefghijkl"
    path = arn.replace("/", "%2F").replace(":", "%3A") if encode else arn
    found = route("bedrock", "POST", f"/model-customization-jobs/{path}/stop")
    assert found
    assert (found.name, found.labels) == ("StopModelCustomizationJob", {"jobIdentifier": arn})
