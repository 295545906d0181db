"""What AWS documents nowhere and this project must cope with: asked, as far as reading can tell.

`docs/first-day.md` has each of these, and what happens where the answer is another.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from lambdas.domain.models.catalogue import MODELS
from operate.checks.finding import Account, Check, Finding, Verdict, code_of

_NOBODYS = "bedrock-tuning-doctor-asks-for-nothing"
_HANDLED = {"ResourceNotFoundException", "ValidationException"}
_BY_NAME = {
    "job": ("get_model_customization_job", "jobIdentifier"),
    "throughput": ("get_provisioned_model_throughput", "provisionedModelId"),
    "deployment": ("get_custom_model_deployment", "customModelDeploymentIdentifier"),
}


def _unknown_name(account: Account, *, kind: str, call: str, member: str) -> Iterator[Finding]:
    what = f"a {kind} that does not exist"
    try:
        getattr(account.client("bedrock"), call)(**{member: _NOBODYS})
    except Exception as error:
        if (code := code_of(error)) not in _HANDLED:
            raise
        yield Finding(Verdict.OK, what, code, "either is handled: the list decides")
    else:
        yield Finding(Verdict.NOTE, what, "exists", f"somebody made {_NOBODYS}")


def _catalogue(account: Account) -> Iterator[Finding]:
    here = [model for model in MODELS.values() if account.region in model.customization_regions]
    listed = account.client("bedrock").list_foundation_models()["modelSummaries"]
    states = {each["modelId"]: each.get("modelLifecycle", {}) for each in listed}
    for model in here:
        what, closed = f"Bedrock on {model.key}", model.lifecycle.closed_on(account.now.date())
        state = states.get(model.customization_model_id)
        found = "not listed" if state is None else state.get("status", "no status")
        if (found == "ACTIVE") == (closed is None):
            yield Finding(Verdict.OK, what, found, "as AWS's pages say")
        else:
            page = f"takes no new job since {closed}" if closed else "is open for new jobs"
            yield Finding(Verdict.NOTE, what, found, f"by AWS's pages it {page}; the page decides")


UNCONFIRMED_CHECKS = (
    *(
        Check(
            f"a {kind} that does not exist",
            partial(_unknown_name, kind=kind, call=call, member=member),
        )
        for kind, (call, member) in _BY_NAME.items()
    ),
    Check("Bedrock's list of models", _catalogue),
)
