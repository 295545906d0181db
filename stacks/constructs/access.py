"""IAM statements on what the pipeline touches, each for the narrowest resource that AWS allows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms

from lambdas.domain.models.catalogue import JUDGES, MODELS
from lambdas.domain.models.model import Inference, Model
from stacks.names import ENVIRONMENT_TAG, Names


def allow(
    actions: list[str], resources: list[str], conditions: Mapping[str, object] | None = None
) -> iam.PolicyStatement:
    return iam.PolicyStatement(actions=actions, resources=resources, conditions=conditions)


def access_from(stack: Stack, environment: str, key: kms.IKey | None) -> Access:
    """Return the statements for what `stack` touches in its environment."""
    bucket = Names(environment).bucket(account=stack.account, region=stack.region)
    return Access(
        environment=environment,
        region=stack.region,
        account=stack.account,
        bucket_arn=f"arn:aws:s3:::{bucket}",
        key_arn=key.key_arn if key else None,
    )


@dataclass(frozen=True)
class Access:
    """Makes statements for one environment. `key_arn` is None where AWS manages the keys."""

    environment: str
    region: str
    account: str
    bucket_arn: str
    key_arn: str | None

    def read(self, *keys: str) -> iam.PolicyStatement:
        return allow(["s3:GetObject"], self.objects(*keys))

    def write(self, *keys: str) -> iam.PolicyStatement:
        return allow(["s3:PutObject"], self.objects(*keys))

    def objects(self, *keys: str) -> list[str]:
        """Return the ARNs of objects in the artefact bucket."""
        return [f"{self.bucket_arn}/{key}" for key in keys]

    def list_keys(self, *prefixes: str) -> iam.PolicyStatement:
        """Allow listing, without which a missing object answers "access denied"."""
        return allow(
            ["s3:ListBucket"], [self.bucket_arn], {"StringLike": {"s3:prefix": [*prefixes]}}
        )

    def use_key_through(self, service: str) -> list[iam.PolicyStatement]:
        """Allow the environment's key for objects or messages of `service` only."""
        return self._key(["kms:Decrypt", "kms:GenerateDataKey"], service)

    def customize_with_key(self) -> list[iam.PolicyStatement]:
        """Allow what encrypting a custom model takes: Bedrock makes grants on the key."""
        actions = ["kms:CreateGrant", "kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey"]
        return self._key(actions, "bedrock")

    def decrypt_model(self) -> list[iam.PolicyStatement]:
        return self._key(["kms:Decrypt"], "bedrock")

    def bedrock_arn(self, kind: str) -> str:
        """Return the ARN of all of the account's resources of a kind: AWS chooses their ids."""
        return f"arn:aws:bedrock:{self.region}:{self.account}:{kind}/*"

    def tunable_models(self) -> list[str]:
        """Return the ARNs of what the catalogue can tune in this region.

        With and without the context length: AWS does not document which one it authorizes.
        """
        return [
            arn
            for model in self._models_here()
            for arn in (
                model.customization_model_arn(region=self.region),
                self._foundation_model(model.base_inference.foundation_model_id),
            )
        ]

    def _foundation_model(self, model_id: str) -> str:
        return f"arn:aws:bedrock:{self.region}::foundation-model/{model_id}"

    def models_asked_about(self) -> list[str]:
        """Return the ARNs of all that a run here can tune, compare with or be judged by."""
        inferences = [each.base_inference for each in self._models_here()]
        inferences += [each.inference for each in JUDGES.values()]
        asked = [self._foundation_model(each.foundation_model_id) for each in inferences]
        return [*dict.fromkeys([*self.tunable_models(), *asked])]

    def invoke_base_models(self) -> list[iam.PolicyStatement]:
        return self._invoke([each.base_inference for each in self._models_here()])

    def count_tokens(self) -> list[iam.PolicyStatement]:
        models = [each.base_inference.foundation_model_id for each in self._models_here()]
        return [allow(["bedrock:CountTokens"], [*map(self._foundation_model, models)])]

    def invoke_judges(self) -> list[iam.PolicyStatement]:
        return self._invoke([each.inference for each in JUDGES.values()])

    def own_hosting(self) -> dict[str, object]:
        """Return the condition that keeps this environment from those of another.

        "IfExists", because what is not there has no tags: releasing what is gone must answer
        "not found", which is success, and never "access denied", which alarms a person.
        """
        tag = f"aws:ResourceTag/{ENVIRONMENT_TAG}"
        return {"StringEqualsIfExists": {tag: self.environment}}

    def own_resources(self) -> dict[str, object]:
        """Return the condition for what is known to be there: it carries this environment's tag."""
        return {"StringEquals": {f"aws:ResourceTag/{ENVIRONMENT_TAG}": self.environment}}

    def _models_here(self) -> list[Model]:
        return [each for each in MODELS.values() if self.region in each.customization_regions]

    def _key(self, actions: list[str], service: str) -> list[iam.PolicyStatement]:
        if self.key_arn is None:
            return []
        via = {"StringEquals": {"kms:ViaService": f"{service}.{self.region}.amazonaws.com"}}
        return [allow(actions, [self.key_arn], via)]

    def _invoke(self, models: list[Inference]) -> list[iam.PolicyStatement]:
        callable_here = [each for each in models if each.available_in(self.region)]
        direct = [each for each in callable_here if not each.is_profile]
        profiles = [each for each in callable_here if each.is_profile]
        statements = [allow(["bedrock:InvokeModel"], self._foundation_models(direct))]
        return [each for each in statements if each.resources] + [
            statement for profile in profiles for statement in self._invoke_profile(profile)
        ]

    def _foundation_models(self, models: list[Inference]) -> list[str]:
        arns = (arn for each in models for arn in each.foundation_model_arns(region=self.region))
        return [*dict.fromkeys(arns)]

    def _invoke_profile(self, profile: Inference) -> list[iam.PolicyStatement]:
        # Through a profile a call may run in any of its regions, but only through the profile.
        arn = profile.profile_arn(region=self.region, account=self.account)
        through = {"StringEquals": {"bedrock:InferenceProfileArn": arn}}
        return [
            allow(["bedrock:InvokeModel"], [str(arn)]),
            allow(["bedrock:InvokeModel"], self._foundation_models([profile]), through),
        ]
