"""Which permissions a request needs: what the offline IAM then refuses as AWS does."""

import json
from typing import Any

from local.bedrock import Location
from tests.fakes.offline_bedrock import ACCOUNT, BUCKET, HAIKU, REGION, ROLE, Account

KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/12345678-1234-1234-1234-123456789012"
VIA = {"kms:ViaService": f"bedrock.{REGION}.amazonaws.com"}
USE = ["kms:Decrypt", "kms:GenerateDataKey"]


def key_actions(account: Account, service: str, path: str, body: dict[str, Any]) -> list[str]:
    where = Location(ACCOUNT, REGION)
    checks = account.bedrock.authorization(service, where, "POST", path, json.dumps(body).encode())
    assert checks
    mine = [each for each in checks if each[0].startswith("kms:")]
    assert all((key, via) == (KEY, VIA) for _, key, via in mine)
    return [action for action, _, _ in mine]


def tuned(**more: Any) -> tuple[Account, str]:
    account = Account()
    account.grants.keys.add(KEY)
    return account, account.tuned(**more)


def test_training_with_a_key_needs_grants_on_it() -> None:
    request = {
        "jobName": "job",
        "customModelName": "model",
        "roleArn": ROLE,
        "baseModelIdentifier": HAIKU,
        "trainingDataConfig": {"s3Uri": f"s3://{BUCKET}/data/training.jsonl"},
        "outputDataConfig": {"s3Uri": f"s3://{BUCKET}/out/"},
    }
    path = "/model-customization-jobs"
    assert key_actions(Account(), "bedrock", path, request) == []
    keyed = {**request, "customModelKmsKeyId": KEY}
    assert key_actions(Account(), "bedrock", path, keyed) == [
        *USE,
        "kms:DescribeKey",
        "kms:CreateGrant",
    ]


def test_whoever_buys_for_a_model_or_asks_it_needs_its_key() -> None:
    message = {"messages": [{"role": "user", "content": [{"text": "Hello"}]}]}
    for more, expected in (({}, []), ({"customModelKmsKeyId": KEY}, USE)):
        account, model = tuned(**more)
        buy = {"modelUnits": 1, "provisionedModelName": "p", "modelId": model}
        path = "/provisioned-model-throughput"
        assert key_actions(account, "bedrock", path, buy) == expected
        arn = account.buy(model)
        path = f"/model/{arn.replace('/', '%2F')}/converse"
        assert key_actions(account, "bedrock-runtime", path, message) == expected
