"""The quotas of the offline account: as Service Quotas lists them, and as each is enforced."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.bedrock import Location, Scenario, ServiceError
from local.services import service_quotas
from tests.fakes.offline_bedrock import ACCOUNT, HAIKU, NOVA, Account, nova_account, tuned_nova

CUSTOM = "Model units no-commitment Provisioned Throughputs across custom models"
PER_MODEL = "Model units per provisioned model for"
MICRO = f"{PER_MODEL} the 128k context length variant for Amazon Nova Micro"
JOBS = "(Model customization) Scheduled customization jobs"
DEPLOYMENTS = "Custom model deployments per account"
CREATING = "Custom models with a creating status per account"


def ask(account: Account, action: str, **request: Any) -> dict[str, Any]:
    quotas = account.bedrock.quotas(Location(ACCOUNT, account.region))
    return service_quotas(action, {"ServiceCode": "bedrock", **request}, quotas)


def values(account: Account) -> dict[str, float]:
    quotas = ask(account, "ListServiceQuotas")["Quotas"]
    assert len({quota["QuotaCode"] for quota in quotas}) == len(quotas)
    return {quota["QuotaName"]: quota["Value"] for quota in quotas}


def used(account: Account) -> dict[str, int]:
    quotas = account.bedrock.quotas(Location(ACCOUNT, account.region))
    return {quota.name: quota.used for quota in quotas}


def refused(error: pytest.ExceptionInfo[ClientError]) -> bool:
    found: str = error.value.response["Error"]["Code"]
    return found == "ServiceQuotaExceededException"


def test_service_quotas_lists_each_under_its_name_and_by_its_code() -> None:
    account = nova_account(Scenario(no_commitment_units=3, units_of_models={"nova-micro": 2}))
    found = values(account)
    assert (found[CUSTOM], found[MICRO], found[JOBS]) == (3, 2, 2)
    assert (found[DEPLOYMENTS], found[CREATING]) == (10, 2)
    assert found["Custom models per account"] == 100
    quota = ask(account, "GetServiceQuota", QuotaCode="L-BE77399C")["Quota"]
    assert quota == {
        "ServiceCode": "bedrock",
        "QuotaCode": "L-BE77399C",
        "QuotaName": CUSTOM,
        "Value": 3.0,
    }
    with pytest.raises(ServiceError) as missing:
        ask(account, "GetServiceQuota", QuotaCode="L-00000000")
    assert missing.value.code == "NoSuchResourceException"
    assert ask(account, "ListServiceQuotas", ServiceCode="s3")["Quotas"] == []


def test_a_region_lists_the_models_that_it_sells_units_of() -> None:
    def per_model(region: str) -> set[str]:
        names = values(Account(region=region))
        return {name.removeprefix(f"{PER_MODEL} ") for name in names if PER_MODEL in name}

    assert per_model("us-west-2") == {
        "Anthropic Claude 3 Haiku 200K",
        "Meta Llama 3.1 8B Instruct",
        "Meta Llama 3.1 70B Instruct",
    }
    assert per_model("us-east-1") == {
        "the 128k context length variant for Amazon Nova Micro",
        "the 300k context length variant for Amazon Nova Lite",
        "the 300k context length variant for Amazon Nova Pro",
        "Amazon Nova 2 Lite V1.0 256K",
    }
    assert per_model("eu-west-1") == set()


@pytest.mark.parametrize(
    "scenario",
    [
        Scenario(no_commitment_units=0, units_of_models={"nova-micro": 1}),
        Scenario(no_commitment_units=1, units_of_models={"nova-micro": 0}),
    ],
    ids=["across custom models", "of the model"],
)
def test_a_purchase_needs_both_quotas(scenario: Scenario) -> None:
    account = nova_account(scenario)
    model = tuned_nova(account)
    with pytest.raises(ClientError, match=rf"model units reserved for {NOVA}\.") as error:
        account.buy(model)
    assert refused(error)
    assert account.bedrock.alive() == []


def test_units_across_models_add_up_and_those_of_a_model_are_of_one_throughput() -> None:
    account = nova_account(Scenario(no_commitment_units=3, units_of_models={"nova-micro": 2}))
    model = tuned_nova(account)
    with pytest.raises(ClientError):
        account.buy(model, "too-big", modelUnits=3)
    account.buy(model, "first", modelUnits=2)
    with pytest.raises(ClientError):
        account.buy(model, "beyond", modelUnits=2)
    account.buy(model, "second")
    assert used(account)[CUSTOM] == 3


def test_what_is_committed_needs_no_units_without_commitment() -> None:
    account = nova_account(Scenario(no_commitment_units=0, units_of_models={"nova-micro": 1}))
    account.buy(tuned_nova(account), commitmentDuration="OneMonth")


def test_what_is_committed_or_of_a_base_model_counts_elsewhere() -> None:
    account = nova_account()
    model = tuned_nova(account)
    account.buy(model, "committed", commitmentDuration="OneMonth")
    account.buy(NOVA, "base")
    assert used(account)[CUSTOM] == 0
    account.buy(model)
    with pytest.raises(ClientError) as error:
        account.buy(NOVA, "second-base")
    assert refused(error)


def test_jobs_count_while_they_run_and_models_until_they_are_deleted() -> None:
    account = Account(Scenario(running_jobs=1, custom_models=1))
    account.start()
    with pytest.raises(ClientError, match=r"Scheduled customization jobs \(L-0406044C\): 1") as job:
        account.start("second")
    assert refused(job)
    account.clock.advance(600)
    assert used(account)[JOBS] == 0
    with pytest.raises(ClientError, match=r"Custom models per account \(L-CB5B847D\): 1") as model:
        account.start("second")
    assert refused(model)
    account.control.delete_custom_model(modelIdentifier="job-model")
    account.start("second")


def test_deployments_count_in_creation_and_in_all() -> None:
    account = nova_account(Scenario(deployments=2, deployments_in_creation=1))
    model = tuned_nova(account)
    account.deploy(model, "first")
    with pytest.raises(ClientError, match="with a creating status") as creating:
        account.deploy(model, "second")
    assert refused(creating)
    account.clock.advance(8)
    account.deploy(model, "second")
    account.clock.advance(8)
    assert (used(account)[DEPLOYMENTS], used(account)[CREATING]) == (2, 0)
    with pytest.raises(ClientError, match="deployments per account") as too_many:
        account.deploy(model, "third")
    assert refused(too_many)
    account.control.delete_custom_model_deployment(customModelDeploymentIdentifier="first")
    account.deploy(model, "third")


def test_what_others_bought_is_in_use_here_and_not_in_another_region() -> None:
    west = Account()
    west.bedrock.add_throughput(
        "theirs", account=ACCOUNT, region="us-west-2", model_id=west.tuned()
    )
    assert used(west)[CUSTOM] == 1
    assert used(west.beside("us-east-1"))[CUSTOM] == 0
    with pytest.raises(ClientError) as error:
        west.buy("job-model")
    assert refused(error)
    west.buy(HAIKU, "of-the-base-model")
