"""Whether the account may use the models, and which page or console step gives it the right.

https://docs.aws.amazon.com/bedrock/latest/userguide/model-access.html (read 2026-11-28). Words of
refusals, read the same day: a pull request of ministryofjustice/modernisation-platform-environments
(18323, Marketplace), obot-platform/obot (6747, the use-case form, which comes as "not found") and
aws-samples/amazon-bedrock-workshop (386, Legacy). That the console's page Model access is retired:
https://aws.amazon.com/blogs/security/simplified-amazon-bedrock-model-access (the same day).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

_PAGE = "https://docs.aws.amazon.com/bedrock/latest/userguide/model-access.html"


@dataclass(frozen=True)
class ModelAccess:
    """From GetFoundationModelAvailability, in AWS's words."""

    agreement: str
    agreement_error: str
    authorization: str
    entitlement: str
    region: str


# What AWS adds to these words one day is not refused here: a use of the model decides then.
_REFUSING = {"PENDING", "NOT_AVAILABLE", "ERROR", "NOT_AUTHORIZED"}
_STEPS = {
    "agreement": "accept it in the Bedrock console, Model catalog; if PENDING, wait 15 minutes",
    "authorization": "have an administrator of the account or the organization allow the model",
    "entitlement": "open the model in the Bedrock console, Model catalog, and ask it once there",
    "region": "choose another model, or an environment in another region",
}


def access_problems(name: str, access: ModelAccess | None, region: str) -> Iterable[str]:
    """Yield each thing that the account lacks to use the model; nothing where AWS does not say."""
    if access is None:
        return
    why = f" ({access.agreement_error})" if access.agreement_error else ""
    states = (
        ("agreement", access.agreement, why),
        ("authorization", access.authorization, ""),
        ("entitlement", access.entitlement, ""),
        ("region", access.region, ""),
    )
    for what, status, reason in states:
        if status in _REFUSING:
            yield f"{what} of {name} is {status}{reason} in {region}: {_STEPS[what]}. {_PAGE}"


_FORM = (
    "Anthropic's use-case form is missing: submit it once in the Bedrock console, Model catalog, "
    "and wait 15 minutes"
)
_SUBSCRIPTION = (
    "the AWS Marketplace subscription is missing: let somebody who has aws-marketplace:Subscribe "
    "and ViewSubscriptions ask the model once in the Bedrock console's playground, and wait 5 "
    "minutes; the run's role is not given that right"
)
_POLICY = (
    "a service control policy of the organization denies it: have bedrock:InvokeModel allowed, in "
    "each region of the model's profile"
)
_ACCESS = (
    "the account has no access to the model: open it in the Bedrock console, Model catalog, accept "
    "what it asks for and ask it once in the playground"
)
_MISSING = (  # by words of the refusal; the first that it has tells
    ("use case", _FORM),
    ("use-case", _FORM),
    ("aws-marketplace", _SUBSCRIPTION),
    ("service control policy", _POLICY),
    (
        "bedrock:invokemodel",
        "the caller lacks bedrock:InvokeModel; a function's role: deploy again",
    ),
    ("marked by provider as legacy", "its provider lets only recent users ask it"),
    ("access to the model", _ACCESS),
)


def answer_problem(name: str, model_id: str, refusal: str, region: str) -> str:
    """Say why a model did not answer, with the step that helps where AWS's words tell it."""
    said = refusal.lower()
    step = next((step for words, step in _MISSING if words in said), "correct what AWS says")
    return f"{name} ({model_id}) does not answer in {region}: {step}. {_PAGE}. AWS said: {refusal}"


def answer_problems(
    asked: Mapping[str, str], refusals: Mapping[str, str], region: str
) -> Iterable[str]:
    """Yield each model that refused to answer; `asked` has the models' names by their id."""
    for model_id, name in asked.items():
        if model_id in refusals:
            yield answer_problem(name, model_id, refusals[model_id], region)
