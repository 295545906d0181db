"""Permissions on what the pipeline touches, each for the narrowest resource that AWS allows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Literal, NamedTuple

from lambdas.domain.evaluation.similarity.file_names import weights_key
from lambdas.domain.models.catalogue import JUDGES, MODELS, UNTUNED
from lambdas.domain.models.model import Inference, Model
from lambdas.domain.run import tags
from stacks.constructs.permission import IamArn, Permission, every_resource
from stacks.environment import Environment
from stacks.names import Names

BedrockKind = Literal[
    "custom-model", "custom-model-deployment", "model-customization-job", "provisioned-model"
]
_RUNS = "a run's prefix contains the name of its execution, which is not known in advance"
_DECISIONS = "a decision is an execution, whose name is not known in advance"
_DATASETS = "people choose the names of their datasets"
_EXECUTIONS = "whoever or whatever starts an execution names it"
_BEDROCK_IDS = "AWS chooses the id when it creates the resource"


class KeyPattern(NamedTuple):
    """Some of the keys in the artefact bucket; `because` is the reason for the wildcard."""

    text: str
    because: str


def datasets(keys: str) -> KeyPattern:
    return KeyPattern(f"datasets/{keys}", _DATASETS)


def runs(keys: str) -> KeyPattern:
    return KeyPattern(f"runs/*/{keys}", _RUNS)


def approvals(keys: str) -> KeyPattern:
    return KeyPattern(f"approvals/{keys}", _RUNS)


def weights_of(name: str) -> KeyPattern:
    return KeyPattern(weights_key(name), because="")  # no wildcard


@dataclass(frozen=True)
class Access:
    """Makes permissions for one environment. `key_arn` is None where AWS manages the keys."""

    environment: Environment
    account: str
    key_arn: str | None
    service_role_arn: str = ""  # Bedrock's; of the pipeline only

    @property
    def machine_arn(self) -> str:
        """Return the ARN of the machine that runs."""
        return self._names.machine_arn(account=self.account, region=self._region)

    @property
    def decide_machine_arn(self) -> str:
        return self._names.machine_arn(account=self.account, region=self._region, of="decide-spend")

    @property
    def topic_arn(self) -> str:
        # By its name: an export would hold the operations stack to all that publish.
        name = self._names.of("notifications")
        return f"arn:aws:sns:{self._region}:{self.account}:{name}"

    @property
    def bucket(self) -> str:
        return self._names.bucket(account=self.account, region=self._region)

    def read(self, *keys: KeyPattern) -> list[Permission]:
        """Allow reading, and listing, without which a missing object answers "access denied"."""
        return [self.get(*keys), self.list_keys(*keys), *self.use_key_through("s3")]

    def write(self, *keys: KeyPattern) -> list[Permission]:
        return [self.put(*keys), *self.use_key_through("s3")]

    def get(self, *keys: KeyPattern) -> Permission:
        return Permission(["s3:GetObject"], self.objects(*keys))

    def put(self, *keys: KeyPattern) -> Permission:
        return Permission(["s3:PutObject"], self.objects(*keys))

    def objects(self, *keys: KeyPattern) -> list[IamArn]:
        return [IamArn(f"arn:aws:s3:::{self.bucket}/{key.text}", key.because) for key in keys]

    def list_keys(self, *prefixes: KeyPattern) -> Permission:
        condition = {"StringLike": {"s3:prefix": [prefix.text for prefix in prefixes]}}
        return Permission(["s3:ListBucket"], [IamArn(f"arn:aws:s3:::{self.bucket}")], condition)

    def publish(self) -> list[Permission]:
        return [
            Permission(["sns:Publish"], [IamArn(self.topic_arn)]),
            *self.use_key_through("sns"),
        ]

    def meter_unfinished(self) -> list[Permission]:
        """Allow billing a run by what it left behind, of which it reads only what is listed."""
        known = ("cost", "losses", "quote", "released", "review", "screening", "told")
        files = [runs(f"{name}.json") for name in known]
        return [
            self.get(runs("billing/*"), *files),
            self.list_keys(runs("")),
            *self.write(runs("cost.json"), runs("told.json")),
        ]

    def begin_billing(self, kind: str) -> list[Permission]:
        return self.write(runs(f"billing/{kind}.json"))

    def describe_executions(self) -> Permission:
        return Permission(["states:DescribeExecution"], [self.executions(":*")])

    def list_executions(self) -> Permission:
        return Permission(["states:ListExecutions"], [IamArn(self.machine_arn)])

    def describe_decisions(self) -> Permission:
        """Allow looking at executions of the machine that decides."""
        executions = self.decide_machine_arn.replace(":stateMachine:", ":execution:") + ":*"
        return Permission(["states:DescribeExecution"], [IamArn(executions, _DECISIONS)])

    def executions(self, suffix: str) -> IamArn:
        """Return the ARN of executions of the machine that runs."""
        return IamArn(
            self.machine_arn.replace(":stateMachine:", ":execution:") + suffix, _EXECUTIONS
        )

    def use_key_through(self, service: str) -> list[Permission]:
        """Allow the environment's key for objects or messages of `service` only."""
        return self._key(["kms:Decrypt", "kms:GenerateDataKey"], service)

    def customize_with_key(self) -> list[Permission]:
        """Allow what encrypting a custom model needs: Bedrock creates grants on the key.

        https://docs.aws.amazon.com/nova/latest/userguide/customize-fine-tune-encrypt.html (read
        2026-11-28); whoever buys for or asks such a model needs `use_key_through("bedrock")`.
        """
        actions = ["kms:CreateGrant", "kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey"]
        return self._key(actions, "bedrock")

    def bedrock(self, kind: BedrockKind) -> IamArn:
        """Return the ARN of all of the account's resources of a kind."""
        return IamArn(f"arn:aws:bedrock:{self._region}:{self.account}:{kind}/*", _BEDROCK_IDS)

    def create_tagged(
        self, action: str, on: Sequence[IamArn], *, makes: Sequence[IamArn]
    ) -> list[Permission]:
        """Allow creating what carries this environment's tag from the first moment.

        AWS also checks TagResource then. Without the condition on the resource, a role could give
        what belongs to another environment this one's tag, and delete it.
        """
        own = {
            "StringEquals": {f"aws:RequestTag/{tags.ENVIRONMENT}": self.environment.name},
            **self._tagged_ours_or_not_at_all(),
        }
        return [Permission([action], on, own), Permission(["bedrock:TagResource"], makes, own)]

    def find_job(self) -> list[Permission]:
        """Allow getting a job, and the list: it tells of a name that Bedrock calls invalid."""
        return [
            Permission(
                ["bedrock:GetModelCustomizationJob"], [self.bedrock("model-customization-job")]
            ),
            Permission(["bedrock:ListModelCustomizationJobs"], every_resource("listing")),
        ]

    def find_custom_model(self) -> Permission:
        models = [self.bedrock("custom-model")]
        return Permission(["bedrock:GetCustomModel", "bedrock:ListTagsForResource"], models)

    def stop_job(self) -> list[Permission]:
        stop = self.end_own("bedrock:StopModelCustomizationJob", "model-customization-job")
        return [*self.find_job(), stop]

    def find_throughput(self) -> list[Permission]:
        """Allow it without a condition on tags: what is gone has none and must be "not found"."""
        return [
            Permission(
                ["bedrock:GetProvisionedModelThroughput"], [self.bedrock("provisioned-model")]
            ),
            Permission(["bedrock:ListProvisionedModelThroughputs"], every_resource("listing")),
        ]

    def find_deployment(self) -> list[Permission]:
        """Allow it as `find_throughput` does."""
        return [
            Permission(
                ["bedrock:GetCustomModelDeployment"], [self.bedrock("custom-model-deployment")]
            ),
            Permission(["bedrock:ListCustomModelDeployments"], every_resource("listing")),
        ]

    def find_hosting(self) -> list[Permission]:
        return [*self.find_throughput(), *self.find_deployment()]

    def get_hosting(self) -> list[Permission]:
        """Allow looking at what is known by its ARN, without the lists."""
        return [each for each in self.find_hosting() if ":Get" in each.actions[0]]

    def release_hosting(self) -> list[Permission]:
        return [*self.find_hosting(), *self.delete_hosting()]

    def delete_hosting(self) -> list[Permission]:
        return [
            self.end_own("bedrock:DeleteProvisionedModelThroughput", "provisioned-model"),
            self.end_own("bedrock:DeleteCustomModelDeployment", "custom-model-deployment"),
        ]

    def end_own(self, action: str, kind: BedrockKind) -> Permission:
        """Allow ending what carries this environment's tag, or none; never another's.

        What lost its tags still bills. Its ARN ends in an id and Bedrock has no condition key for
        names, so that its name is this environment's is for the code to check.
        """
        return Permission([action], [self.bedrock(kind)], self._tagged_ours_or_not_at_all())

    def tunable_models(self) -> list[IamArn]:
        """Return what the catalogue can tune in this region.

        With and without the context length: AWS does not document which one it authorizes.
        """
        return [
            IamArn(text)
            for model in self._models_here()
            for text in (
                model.customization_model_arn(region=self._region),
                self._foundation_model(model.base_inference),
            )
        ]

    def count_resources(self) -> list[Permission]:
        """Allow counting what quotas limit, whosever it is; jobs come with `find_job`."""
        actions = [
            "bedrock:ListCustomModelDeployments",
            "bedrock:ListCustomModels",
            "bedrock:ListProvisionedModelThroughputs",
            "servicequotas:ListServiceQuotas",
        ]
        return [Permission(actions, every_resource("listing"))]

    def look_up_models(self) -> list[Permission]:
        """Allow asking whether a model can be tuned, and whether the account may use it."""
        return [
            Permission(["bedrock:GetFoundationModel"], self.tunable_models()),
            Permission(
                ["bedrock:GetFoundationModelAvailability"],
                every_resource("the availability of a model"),
            ),
        ]

    def invoke_untuned_models(self) -> list[Permission]:
        """Allow asking all that a run here can compare with or be judged by."""
        here = [each for each in UNTUNED.values() if each.answers_in(self._region)]
        return self._invoke(each.inference for each in here)

    def invoke_base_models(self) -> list[Permission]:
        return self._invoke([model.base_inference for model in self._models_here()])

    def invoke_judges(self) -> list[Permission]:
        return self._invoke([judge.inference for judge in JUDGES.values()])

    @property
    def _names(self) -> Names:
        return Names(self.environment.name)

    @property
    def _region(self) -> str:
        return self.environment.region

    def _tagged_ours_or_not_at_all(self) -> Mapping[str, Mapping[str, str]]:
        """Return the condition; it also lets AWS answer "not found" for what is gone.

        https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonbedrock.html
        (read 2026-11-28) has aws:ResourceTag for all four kinds. Not every call was seen to give
        it, least of all those on deployments: a key that is not given must not block a release.
        """
        return {
            "StringEqualsIfExists": {f"aws:ResourceTag/{tags.ENVIRONMENT}": self.environment.name}
        }

    def _foundation_model(self, inference: Inference) -> str:
        return f"arn:aws:bedrock:{self._region}::foundation-model/{inference.foundation_model_id}"

    def _models_here(self) -> list[Model]:
        return [model for model in MODELS.values() if self._region in model.customization_regions]

    def _key(self, actions: list[str], service: str) -> list[Permission]:
        if self.key_arn is None:
            return []
        via = {"StringEquals": {"kms:ViaService": f"{service}.{self._region}.amazonaws.com"}}
        return [Permission(actions, [IamArn(self.key_arn)], via)]

    def _invoke(self, models: Iterable[Inference]) -> list[Permission]:
        callable_here = [model for model in models if model.available_in(self._region)]
        direct = [model for model in callable_here if not model.is_profile]
        profiles = [model for model in callable_here if model.is_profile]
        return [
            *([Permission(_INVOKE, self._foundation_models(direct))] if direct else []),
            *chain.from_iterable(map(self._invoke_profile, profiles)),
        ]

    def _foundation_models(self, models: Iterable[Inference]) -> list[IamArn]:
        arns = (
            IamArn(text)
            for model in models
            for text in model.foundation_model_arns(region=self._region)
        )
        return [*dict.fromkeys(arns)]

    def _invoke_profile(self, profile: Inference) -> list[Permission]:
        # Through a profile a call may run in any of its regions, but only through the profile.
        arn = str(profile.profile_arn(region=self._region, account=self.account))
        through = {"StringEquals": {"bedrock:InferenceProfileArn": arn}}
        return [
            Permission(_INVOKE, [IamArn(arn)]),
            Permission(_INVOKE, self._foundation_models([profile]), through),
        ]


_INVOKE = ["bedrock:InvokeModel"]
