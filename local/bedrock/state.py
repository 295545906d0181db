"""The emulator's state, and its ports to the rest of the offline AWS."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, Protocol

from local.bedrock import chance
from local.bedrock.catalogue import ModelSpec
from local.bedrock.customization.language_model import Fitted
from local.bedrock.meter import Meter
from local.bedrock.protocol import stamp
from local.bedrock.scenario import Scenario


def split_uri(uri: str) -> tuple[str, str]:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key


@dataclass(frozen=True)
class Location:
    """The account and the region of a request."""

    account: str
    region: str

    def arn(self, resource: str) -> str:
        return f"arn:aws:bedrock:{self.region}:{self.account}:{resource}"


class Clock(Protocol):
    """Simulated time; what it runs, it runs within `lock`."""

    @property
    def lock(self) -> AbstractContextManager[Any]: ...

    def time(self) -> float:
        """Return the now in epoch seconds."""

    def call_at(self, when: float, act: Callable[[], None]) -> None:
        """Run `act` when the time reaches `when`."""


# EventBridge, as only AWS's own services can use it: the detail's type, the detail, resources.
Events = Callable[[Location, str, dict[str, Any], list[str]], None]


class ObjectStore(Protocol):
    """S3 without its permissions."""

    def get(self, bucket: str, key: str) -> bytes | None: ...

    def put(self, bucket: str, key: str, body: bytes) -> None: ...

    def bucket_region(self, bucket: str) -> str | None: ...


class Grants(Protocol):
    """IAM, KMS and EC2, as Bedrock meets them when it acts in a role."""

    def assumes(self, role_arn: str, keys: Mapping[str, str]) -> bool:
        """Say whether there is such a role, and it trusts Bedrock with these condition keys."""

    def allows(self, role_arn: str, action: str, resource: str, keys: Mapping[str, str]) -> bool:
        """Say whether the role may, by its own policies and by the resource's."""

    def key_of(self, bucket: str) -> str | None:
        """Return the ARN of the customer's key that encrypts the bucket's objects."""

    def has_key(self, location: Location, key: str) -> bool:
        """Say whether there is such a key there, and it is enabled."""

    def serves(self, location: Location, key: str) -> bool:
        """Say whether the key's policy lets Bedrock itself decrypt custom models with it."""

    def has_network(self, location: Location, name: str) -> bool:
        """Say whether there is a subnet or a security group of this id."""


@dataclass
class JobPhase:
    """One of the job's statusDetails."""

    status: str = "NotStarted"
    began: datetime | None = None
    changed: datetime | None = None


@dataclass
class CustomizationJob:
    """One customization job."""

    arn: str
    request: dict[str, Any]
    base: ModelSpec
    location: Location
    created: datetime
    changed: datetime
    status: str = "InProgress"
    failure: str | None = None
    ended: datetime | None = None
    model_arn: str | None = None
    training_loss: float | None = None
    validation_loss: float | None = None
    phases: dict[str, JobPhase] = field(
        default_factory=lambda: {
            name: JobPhase() for name in ("validation", "dataProcessing", "training")
        }
    )

    @property
    def name(self) -> str:
        return str(self.request["jobName"])


@dataclass
class CustomModel:
    """One tuned model."""

    arn: str
    name: str
    job: CustomizationJob
    fitted: Fitted
    created: datetime
    status: str = "Active"  # always


@dataclass
class ProvisionedModel:
    """One provisioned throughput."""

    arn: str
    request: dict[str, Any]
    base: ModelSpec
    model_arn: str
    custom: CustomModel | None
    created: datetime
    changed: datetime
    status: str = "Creating"
    failure: str | None = None
    committed_until: datetime | None = None

    @property
    def name(self) -> str:
        return str(self.request["provisionedModelName"])

    @property
    def units(self) -> int:
        return int(self.request["modelUnits"])


@dataclass
class DeploymentUpdate:
    """Another model that is put, or was put, behind a deployment's ARN."""

    custom: CustomModel
    status: Literal["Updating", "UpdateCompleted", "UpdateFailed"] = "Updating"


@dataclass
class CustomModelDeployment:
    """One custom model deployment: inference on demand, with no hourly meter."""

    arn: str
    request: dict[str, Any]
    custom: CustomModel
    created: datetime
    changed: datetime
    status: Literal["Creating", "Active", "Failed"] = "Creating"
    failure: str | None = None
    update: DeploymentUpdate | None = None  # the latest
    not_ready_answers: int = 0  # so far, since it became Active
    answered: list[tuple[float, int]] = field(default_factory=list)  # second -> tokens, lately

    @property
    def name(self) -> str:
        return str(self.request["modelDeploymentName"])

    @property
    def mutating(self) -> str | None:
        """What is being done to it; None if nothing is, and it can be changed."""
        if self.status == "Creating":
            return self.status
        return "Updating" if self.update and self.update.status == "Updating" else None


Owned = CustomizationJob | CustomModel | ProvisionedModel | CustomModelDeployment
KINDS = ("jobs", "models", "throughputs", "deployments")


@dataclass(eq=False)
class World:
    """All accounts and regions of one offline AWS; the clock's lock guards them.

    A second lock would be taken in one order by a request, in the other by what falls due.
    """

    clock: Clock
    objects: ObjectStore
    events: Events
    grants: Grants
    caller: Callable[[], str]  # returns the ARN of who makes the request
    scenario: Scenario = field(default_factory=Scenario)
    meter: Meter = field(default_factory=Meter)
    calls: Counter[int] = field(default_factory=Counter)  # fault -> matching calls so far
    _regions: dict[Location, Region] = field(default_factory=dict)

    def clear(self) -> None:
        for region in self._regions.values():
            region.clear()  # in place: what is due later looks here for what it is about
        self.calls.clear()
        self.meter = Meter()

    def at(self, location: Location) -> Region:
        """Return what the account holds in the region."""
        if location not in self._regions:
            self._regions[location] = Region(self, location)
        return self._regions[location]

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.clock.time(), UTC)

    @property
    def regions(self) -> list[Region]:
        """Every region of an account that has been asked for so far."""
        return list(self._regions.values())


class Region:
    """What one account holds in one region: none of it is found from another.

    Names, client tokens and quotas are its own; time, scenario and meter are the world's.
    """

    def __init__(self, world: World, location: Location) -> None:
        self._world, self.location, self.name = world, location, location.region
        self.clock, self.objects = world.clock, world.objects
        self.grants, self.caller, self.now = world.grants, world.caller, world.now
        self.clear()

    def clear(self) -> None:
        self.jobs: dict[str, CustomizationJob] = {}
        self.models: dict[str, CustomModel] = {}
        self.throughputs: dict[str, ProvisionedModel] = {}
        self.deployments: dict[str, CustomModelDeployment] = {}
        self.tags: dict[str, dict[str, str]] = {}
        self.tokens: dict[tuple[str, str], str] = {}  # (operation, client token) -> ARN
        self._given: Counter[tuple[str, str]] = Counter()
        self._epoch = object()  # of what is under way: events that arrive later

    def owned(self, kind: str) -> Mapping[str, Owned]:
        """Return the resources of one of the `KINDS`, by ARN."""
        found: Mapping[str, Owned] = getattr(self, kind)
        return found

    @property
    def scenario(self) -> Scenario:
        return self._world.scenario

    @property
    def meter(self) -> Meter:
        return self._world.meter

    def arn(self, resource: str) -> str:
        return self.location.arn(resource)

    def later(self, minutes: float, act: Callable[[], None], *, since: float | None = None) -> None:
        """Let `act` happen so many minutes from now, or from an epoch time, and nothing beside."""
        began = self.clock.time() if since is None else since
        self.clock.call_at(began + minutes * 60, act)

    def publish(self, detail_type: str, detail: dict[str, Any], resources: list[str]) -> None:
        """Put an event of Bedrock on the region's default bus, as the scenario has it arrive."""
        scenario, epoch = self.scenario, self._epoch
        told = json.loads(json.dumps(detail, default=stamp))

        def deliver() -> None:
            if self._epoch is epoch:
                self._world.events(self.location, detail_type, told, resources)

        late = scenario.event_minutes
        names = (detail_type, json.dumps(told))
        delays = {
            "twice": (0.0, late),
            "late": (late,),
            "out_of_order": (late * chance.share(scenario.seed, "event", *names),),
            "never": (),
        }
        for delay in delays.get(scenario.events, (0.0,)):
            if delay:
                self.later(delay, deliver)
            else:
                deliver()

    def read(self, uri: str) -> bytes | None:
        """Return the object at an S3 URI, or None where there is none."""
        return self.objects.get(*split_uri(uri))

    def id_of(self, kind: str, name: str, before: int = 0) -> str:
        """Return 12 characters as AWS uses in ARNs, for a name that was given so often before."""
        seed = f"{self.location.account}/{self.name}/{kind}/{name}/{before}"
        return hashlib.sha256(seed.encode()).hexdigest()[:12]

    def new_id(self, kind: str, name: str) -> str:
        """Return the id of one more resource; names may be given again."""
        before = self._given[kind, name]
        self._given[kind, name] += 1
        return self.id_of(kind, name, before)

    def once(self, kind: str, request: dict[str, Any], create: Callable[[], str]) -> str:
        """Return the ARN that `create` makes, or made for the same client token."""
        token = request.get("clientRequestToken")
        arn = self.tokens.get((kind, token)) if token else None
        if arn is None:
            arn = create()
        if token:
            self.tokens[kind, token] = arn
        return arn

    def tag(self, arn: str, tags: list[dict[str, str]]) -> None:
        self.tags.setdefault(arn, {}).update({tag["key"]: tag["value"] for tag in tags})
