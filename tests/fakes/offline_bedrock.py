"""The emulator behind real boto3 clients, without a socket and with a manual clock."""

from __future__ import annotations

import copy
import heapq
import io
import itertools
import json
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.config import Config

from local.bedrock import Bedrock, Location, Scenario, World

ACCOUNT, REGION, BUCKET = "000000000000", "us-west-2", "artefacts"
ROLE = "arn:aws:iam::000000000000:role/bedrock"
HAIKU = "anthropic.claude-3-haiku-20240307-v1:0:200k"
NOVA = "amazon.nova-micro-v1:0:128k"
START = 1_795_000_000.0  # 2026-11-18


class ManualClock:
    """Time passes only in `advance`, which runs what falls due on the way."""

    def __init__(self) -> None:
        self._now = START
        self.lock = nullcontext()
        self._order = itertools.count()
        self._due: list[tuple[float, int, Callable[[], None]]] = []

    def time(self) -> float:
        return self._now

    def call_at(self, when: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._due, (when, next(self._order), act))

    def pass_without_events(self, seconds: float) -> None:
        """Let time go by as it does while something computes."""
        self._now += seconds

    def advance(self, minutes: float) -> None:
        end = self._now + minutes * 60
        while self._due and self._due[0][0] <= end:
            self._now, _, act = heapq.heappop(self._due)
            act()
        self._now = end


class Objects:
    """S3 in a dictionary, with one bucket; it is in the region where it is asked for."""

    def __init__(self) -> None:
        self.stored: dict[str, bytes] = {}
        self.region = REGION

    def get(self, bucket: str, key: str) -> bytes | None:
        return self.stored.get(key) if bucket == BUCKET else None

    def put(self, bucket: str, key: str, body: bytes) -> None:
        assert bucket == BUCKET
        self.stored[key] = body

    def bucket_region(self, bucket: str) -> str | None:
        return self.region if bucket == BUCKET else None


class Grants:
    """IAM, KMS and EC2: one role that may everything but what is denied here."""

    def __init__(self) -> None:
        self.untrusted: list[Callable[[Mapping[str, str]], bool]] = []
        self.denied: set[tuple[str, str]] = set()  # (action, end of the resource)
        self.asked: list[tuple[str, str, Mapping[str, str]]] = []
        self.bucket_key: str | None = None
        self.keys, self.serving, self.network = set[str](), set[str](), set[str]()

    def assumes(self, role_arn: str, keys: Mapping[str, str]) -> bool:
        return role_arn == ROLE and not any(refuse(keys) for refuse in self.untrusted)

    def allows(self, role_arn: str, action: str, resource: str, keys: Mapping[str, str]) -> bool:
        assert role_arn == ROLE
        self.asked.append((action, resource, keys))
        return not any(a == action and resource.endswith(end) for a, end in self.denied)

    def key_of(self, bucket: str) -> str | None:
        assert bucket == BUCKET
        return self.bucket_key

    def has_key(self, location: Location, key: str) -> bool:
        return f":{location.region}:{location.account}:" in key and key in self.keys

    def serves(self, location: Location, key: str) -> bool:
        assert location.account == ACCOUNT
        return key in self.serving

    def has_network(self, location: Location, name: str) -> bool:
        assert location.account == ACCOUNT
        return name in self.network


class _Raw(io.BytesIO):
    """The body of an answer, as botocore reads one."""

    def stream(self) -> list[bytes]:
        return [self.getvalue()]


class Account:
    """One account with its Bedrock, its bucket, and clients for both services."""

    def __init__(self, scenario: Scenario | None = None, region: str = REGION) -> None:
        self.clock, self.objects, self.events = ManualClock(), Objects(), list[Any]()
        self.objects.region, self.grants = region, Grants()
        self.region, self.number = region, ACCOUNT
        world = World(
            clock=self.clock,
            objects=self.objects,
            events=lambda at, *event: self.events.append((at.account, at.region, *event)),
            grants=self.grants,
            caller=lambda: f"arn:aws:iam::{ACCOUNT}:root",
        )
        self.bedrock = Bedrock(world)
        self.bedrock.scenario = scenario or Scenario()
        self.connect()

    def connect(self) -> None:
        """Make the clients anew, in the region as it is now."""
        self.control: Any = self._client("bedrock")
        self.runtime: Any = self._client("bedrock-runtime")

    def _client(self, service: str) -> Any:
        client = boto3.client(
            service,  # type: ignore[call-overload]  # service is a str
            region_name=self.region,
            aws_access_key_id="x",
            aws_secret_access_key="x",
            config=Config(parameter_validation=False, retries={"total_max_attempts": 1}),
        )

        def send(request: AWSPreparedRequest, **_: Any) -> AWSResponse:
            url = urlsplit(request.url)
            body = request.body or b""
            status, headers, answer = self.bedrock.handle(
                service,
                Location(self.number, self.region),
                request.method,
                url.path,
                parse_qs(url.query),
                body.encode() if isinstance(body, str) else bytes(body),
            )
            return AWSResponse(request.url, status, headers, _Raw(answer))  # type: ignore[arg-type]  # only its stream is read

        client.meta.events.register(f"before-send.{service}.*", send)
        return client

    def beside(self, region: str, number: str = ACCOUNT) -> Account:
        """Return clients in another region, of the same account or of another one."""
        other = copy.copy(self)
        other.region, other.number = region, number
        other.connect()
        return other

    def upload(self, key: str, records: list[Any]) -> None:
        lines = (each if isinstance(each, str) else json.dumps(each) for each in records)
        self.objects.stored[key] = "\n".join(lines).encode()

    def start(self, name: str = "job", **more: Any) -> str:
        """Start a valid job on 40 records; `more` replaces members of the request."""
        if "data/training.jsonl" not in self.objects.stored:
            self.upload("data/training.jsonl", [record(n) for n in range(40)])
            self.upload("data/validation.jsonl", [record(n) for n in range(40, 72)])
        request = {
            "jobName": name,
            "customModelName": f"{name}-model",
            "roleArn": ROLE,
            "baseModelIdentifier": HAIKU,
            "trainingDataConfig": {"s3Uri": f"s3://{BUCKET}/data/training.jsonl"},
            "validationDataConfig": {
                "validators": [{"s3Uri": f"s3://{BUCKET}/data/validation.jsonl"}]
            },
            "outputDataConfig": {"s3Uri": f"s3://{BUCKET}/out/"},
            "hyperParameters": {"epochCount": "3"},
            "customModelTags": [{"key": "owner", "value": "us"}],
        }
        arn: str = self.control.create_model_customization_job(**{**request, **more})["jobArn"]
        return arn

    def tuned(self, name: str = "job", **more: Any) -> str:
        """Return the ARN of a model that has been tuned."""
        arn = self.start(name, **more)
        self.clock.advance(600)
        found: str = self.control.get_model_customization_job(jobIdentifier=arn)["outputModelArn"]
        return found

    def buy(self, model: str, name: str = "capacity", **more: Any) -> str:
        arn: str = self.control.create_provisioned_model_throughput(
            **{"modelUnits": 1, "provisionedModelName": name, "modelId": model, **more}
        )["provisionedModelArn"]
        return arn

    def deploy(self, model: str, name: str = "on-demand", **more: Any) -> str:
        arn: str = self.control.create_custom_model_deployment(
            **{"modelDeploymentName": name, "modelArn": model, **more}
        )["customModelDeploymentArn"]
        return arn


def nova_account(scenario: Scenario | None = None) -> Account:
    """Return an account in the region where Nova is tuned, with a dataset in its format."""
    account = Account(scenario, "us-east-1")
    account.upload("data/training.jsonl", [converse_record(n) for n in range(40)])
    account.upload("data/validation.jsonl", [converse_record(n) for n in range(40, 50)])
    return account


def tuned_nova(account: Account, name: str = "job") -> str:
    return account.tuned(name, baseModelIdentifier=NOVA, hyperParameters={"epochCount": "1"})


def converse_record(number: int) -> dict[str, Any]:
    """Return `record` in the format of Nova and of Llama 3.3."""
    plain = record(number)
    return {
        "schemaVersion": "bedrock-conversation-2024",
        "system": [{"text": plain["system"]}],
        "messages": [
            {"role": each["role"], "content": [{"text": each["content"]}]}
            for each in plain["messages"]
        ],
    }


def record(number: int) -> dict[str, Any]:
    question = f"What does part {number} of the machine do for the people at site {number}?"
    answer = f"Part {number} keeps valve {number} open so that site {number} has water."
    return {
        "system": "Answer briefly.",
        "messages": [
            {"role": "user", "content": question},
            {"role": "assistant", "content": answer},
        ],
    }
