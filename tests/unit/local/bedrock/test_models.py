"""Custom models of the offline Bedrock, and the base models that they come from."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.bedrock import Scenario
from local.bedrock.customization import language_model
from tests.fakes.offline_bedrock import (
    ACCOUNT,
    HAIKU,
    Account,
    converse_record,
    nova_account,
    record,
    tuned_nova,
)

LLAMA = "meta.llama3-1-8b-instruct-v1:0:128k"
LLAMA_3_3 = "meta.llama3-3-70b-instruct-v1:0:128k"


def code(error: pytest.ExceptionInfo[ClientError]) -> str:
    found: str = error.value.response["Error"]["Code"]
    return found


def failure(account: Account, arn: str) -> str:
    account.clock.advance(600)
    job = account.control.get_model_customization_job(jobIdentifier=arn)
    assert job["status"] == "Failed"
    said: str = job["failureMessage"]
    return said


def test_lists_filter_and_page() -> None:
    account = Account(Scenario(running_jobs=9))
    for name in ("one", "two", "three"):
        account.tuned(name)
    listed = account.control.list_custom_models

    def names(**filters: Any) -> list[str]:
        return [each["modelName"] for each in listed(**filters)["modelSummaries"]]

    assert names() == ["three-model", "two-model", "one-model"]
    second = account.control.get_custom_model(modelIdentifier="two-model")["creationTime"]
    assert names(creationTimeAfter=second) == ["three-model"]
    assert names(creationTimeBefore=second) == ["one-model"]
    assert names(nameContains="two") == ["two-model"]
    base = f"arn:aws:bedrock:us-west-2::foundation-model/{HAIKU}"
    assert names(baseModelArnEquals=base) == names(foundationModelArnEquals=base) == names()
    assert names(baseModelArnEquals=base.replace(HAIKU, LLAMA)) == []
    assert names(modelStatus="Failed") == names(isOwned=False) == []
    pages = account.control.get_paginator("list_custom_models").paginate(
        sortOrder="Ascending", PaginationConfig={"PageSize": 2}
    )
    found = [each for page in pages for each in page["modelSummaries"]]
    assert [each["modelName"] for each in found] == names()[::-1]
    assert {each["ownerAccountId"] for each in found} == {ACCOUNT}


def test_a_model_tells_how_it_was_made() -> None:
    account = Account()
    arn = account.tuned()
    model = account.control.get_custom_model(modelIdentifier="job-model")
    job = account.control.get_model_customization_job(jobIdentifier="job")
    assert (model["modelArn"], model["jobArn"]) == (arn, job["jobArn"])
    for member in ("trainingMetrics", "validationMetrics", "validationDataConfig"):
        assert model[member] == job[member]


def test_a_person_can_tag_a_model_to_keep_it() -> None:
    account = Account()
    arn = account.tuned()
    account.control.tag_resource(resourceARN=arn, tags=[{"key": "keep", "value": "true"}])
    tags = account.control.list_tags_for_resource(resourceARN=arn)["tags"]
    assert {each["key"]: each["value"] for each in tags} == {"owner": "us", "keep": "true"}
    [listed] = account.bedrock.snapshot()["models"]
    assert listed["tags"] == {"owner": "us", "keep": "true"}
    with pytest.raises(ClientError) as error:
        account.control.tag_resource(resourceARN=arn[:-1] + "0", tags=[])
    assert code(error) == "ResourceNotFoundException"


def test_what_serves_a_model_goes_before_it() -> None:
    account = nova_account()
    model = tuned_nova(account)
    throughput, deployment = account.buy(model), account.deploy(model)
    account.clock.advance(20)

    def delete() -> None:
        account.control.delete_custom_model(modelIdentifier=model)

    for serving, release in (
        (
            throughput,
            lambda: account.control.delete_provisioned_model_throughput(
                provisionedModelId=throughput
            ),
        ),
        (
            deployment,
            lambda: account.control.delete_custom_model_deployment(
                customModelDeploymentIdentifier=deployment
            ),
        ),
    ):
        with pytest.raises(ClientError, match=serving) as error:
            delete()
        assert code(error) == "ConflictException"
        release()
    delete()
    assert account.control.list_custom_models()["modelSummaries"] == []
    with pytest.raises(ClientError) as error:
        delete()
    assert code(error) == "ResourceNotFoundException"


def completions(count: int) -> list[Any]:
    turns = (record(number)["messages"] for number in range(count))
    return [{"prompt": user["content"], "completion": said["content"]} for user, said in turns]


def test_a_llama_of_prompts_and_completions_trains_and_serves() -> None:
    account = Account()
    account.upload("data/training.jsonl", completions(90))
    account.upload("data/validation.jsonl", completions(100)[90:])
    arn = account.tuned(baseModelIdentifier=LLAMA, hyperParameters={"epochCount": "2"})
    losses = account.control.get_custom_model(modelIdentifier=arn)
    assert losses["trainingMetrics"]["trainingLoss"] > 0
    throughput = account.buy(arn)
    account.clock.advance(20)
    message = {"role": "user", "content": [{"text": "What does part 3 of the machine do?"}]}
    answer = account.runtime.converse(modelId=throughput, messages=[message])
    assert "valve" in answer["output"]["message"]["content"][0]["text"]
    bill = account.bedrock.snapshot()["meter"]
    [hours] = [each for each in bill["items"] if each["unit"] == "minutes"]
    assert (hours["quantity"], hours["usd"]) == (20, 8.0)


def test_claude_refuses_a_validation_file_of_fewer_than_32() -> None:
    account = Account()
    account.start()
    account.upload("data/validation.jsonl", [record(n) for n in range(31)])
    assert "validation data has 31 records, at least 32 are needed" in failure(
        account, account.start("small")
    )


@pytest.mark.parametrize(
    ("base", "records", "said"),
    [
        (LLAMA, completions(99), "99 records, at least 100 are needed"),
        (LLAMA, [*completions(99), record(1)], "line 100 is not in the format of Llama 3.1 8B"),
        (LLAMA_3_3, completions(100), "line 1 is not in the format of Llama 3.3 70B"),
    ],
)
def test_a_llama_refuses_other_formats_and_too_few_records(
    base: str, records: list[Any], said: str
) -> None:
    account = Account()
    account.upload("data/training.jsonl", records)
    arn = account.start(
        baseModelIdentifier=base, hyperParameters={}, validationDataConfig={"validators": []}
    )
    assert said in failure(account, arn)


def test_nova_refuses_its_reserved_words_from_a_user() -> None:
    account = nova_account()
    bad = converse_record(1)
    bad["messages"][0]["content"][0]["text"] = "User: hello"
    account.upload("data/training.jsonl", [bad] * 8)
    arn = account.start(baseModelIdentifier="amazon.nova-micro-v1:0:128k", hyperParameters={})
    assert "line 1: User: is reserved by Nova Micro" in failure(account, arn)


def test_llama_3_3_is_served_on_demand_only() -> None:
    account = Account()
    account.upload("data/training.jsonl", [converse_record(n) for n in range(90)])
    account.upload("data/validation.jsonl", [converse_record(n) for n in range(10)])
    arn = account.tuned(baseModelIdentifier=LLAMA_3_3, hyperParameters={"epochCount": "1"})
    with pytest.raises(ClientError, match="not available for Llama") as error:
        account.buy(arn)
    assert code(error) == "ValidationException"
    account.deploy(arn)
    details = account.control.get_foundation_model(modelIdentifier=LLAMA_3_3)["modelDetails"]
    assert details["inferenceTypesSupported"] == []


@pytest.mark.slow
def test_the_same_job_is_fitted_once_and_takes_as_long(monkeypatch: pytest.MonkeyPatch) -> None:
    language_model.fit.cache_clear()  # as in a new process
    learn = language_model._LogBilinearModel.learn  # noqa: SLF001  # the work that is to be saved
    accounts: list[Account] = []
    steps = 0

    def slowly(*args: Any) -> float:
        nonlocal steps
        steps += 1
        accounts[-1].clock.pass_without_events(1)
        return learn(*args)

    monkeypatch.setattr(language_model._LogBilinearModel, "learn", slowly)  # noqa: SLF001  # same

    def run(**hyperparameters: str) -> tuple[float, float]:
        accounts.append(Account())
        arn = accounts[-1].start(hyperParameters=hyperparameters)
        accounts[-1].clock.advance(600)
        job = accounts[-1].control.get_model_customization_job(jobIdentifier=arn)
        took = (job["endTime"] - job["creationTime"]).total_seconds()
        return took, job["trainingMetrics"]["trainingLoss"]

    first = run(epochCount="3")
    assert steps > 0
    steps = 0
    assert run(epochCount="3") == first
    assert steps == 0
    assert run(epochCount="2") != first
    assert steps > 0
