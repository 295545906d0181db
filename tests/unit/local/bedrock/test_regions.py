"""What one region of the offline account holds is not found from another."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.bedrock import Scenario
from tests.fakes.offline_bedrock import ACCOUNT, Account, nova_account, tuned_nova


def code(error: pytest.ExceptionInfo[ClientError]) -> str:
    found: str = error.value.response["Error"]["Code"]
    return found


def held(account: Account) -> list[Any]:
    control = account.control
    return [
        *control.list_model_customization_jobs()["modelCustomizationJobSummaries"],
        *control.list_custom_models()["modelSummaries"],
        *control.list_provisioned_model_throughputs()["provisionedModelSummaries"],
        *control.list_custom_model_deployments()["modelDeploymentSummaries"],
    ]


@pytest.mark.parametrize(
    ("region", "number"), [("us-west-2", ACCOUNT), ("us-east-1", "111111111111")]
)
def test_nothing_of_one_region_or_account_is_found_from_another(region: str, number: str) -> None:
    here = nova_account()
    there = here.beside(region, number)
    model = tuned_nova(here)
    throughput, deployment = here.buy(model), here.deploy(model)
    here.clock.advance(20)
    assert len(held(here)) == 4
    assert held(there) == []
    for look in (
        lambda: there.control.get_custom_model(modelIdentifier=model),
        lambda: there.control.get_model_customization_job(jobIdentifier="job"),
        lambda: there.control.get_provisioned_model_throughput(provisionedModelId=throughput),
        lambda: there.control.get_custom_model_deployment(
            customModelDeploymentIdentifier=deployment
        ),
        lambda: there.control.list_tags_for_resource(resourceARN=model),
        lambda: there.deploy(model),
    ):
        with pytest.raises(ClientError) as error:
            look()
        assert code(error) == "ResourceNotFoundException"
    message = {"role": "user", "content": [{"text": "Hello"}]}
    for arn in (throughput, deployment):
        assert here.runtime.converse(modelId=arn, messages=[message])
        with pytest.raises(ClientError, match="model identifier is invalid"):
            there.runtime.converse(modelId=arn, messages=[message])


def test_names_tokens_and_running_jobs_count_in_their_own_region() -> None:
    west = Account(Scenario(running_jobs=1))
    arn = west.start(clientRequestToken="t")
    east = west.beside("us-east-1")
    with pytest.raises(ClientError, match="identifier is invalid"):
        east.start(clientRequestToken="t")  # Claude 3 Haiku is not tuned there: a new request
    nova = {"baseModelIdentifier": "amazon.nova-micro-v1:0:128k", "hyperParameters": {}}
    other = east.start(clientRequestToken="t", **nova)
    assert (arn.split(":")[3], other.split(":")[3]) == ("us-west-2", "us-east-1")
    jobs = west.bedrock.snapshot()["jobs"]
    assert [(job["arn"], job["name"]) for job in jobs] == [(arn, "job"), (other, "job")]
    assert west.bedrock.alive() == [arn, other]


def test_events_are_of_the_region_of_their_job() -> None:
    account = nova_account()
    tuned_nova(account)
    assert {event[1] for event in account.events} == {"us-east-1"}


def test_a_reset_forgets_every_region_and_what_was_due_in_it() -> None:
    account = nova_account()
    tuned_nova(account)
    account.start("late", baseModelIdentifier="amazon.nova-micro-v1:0:128k", hyperParameters={})
    account.bedrock.reset()
    account.events.clear()
    account.clock.advance(600)
    assert held(account) == account.events == []


def test_arns_follow_from_names_and_from_where_they_are() -> None:
    def arns(pause: float = 0, *, first: str = "one") -> dict[str, str]:
        account = nova_account(Scenario(no_commitment_units=9))
        model = tuned_nova(account)
        account.clock.advance(pause)
        names = [first, "two" if first == "one" else "one"]
        return {"model": model} | {name: account.buy(model, name) for name in names}

    assert arns() == arns(pause=7) == arns(first="two")
    account = nova_account()
    model = tuned_nova(account)
    bought = []
    for _ in range(2):
        bought.append(account.buy(model))
        account.clock.advance(30)
        account.control.delete_provisioned_model_throughput(provisionedModelId=bought[-1])
    assert bought[0] != bought[1]
