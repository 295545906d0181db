from __future__ import annotations

import pytest

from lambdas.domain.errors import PreflightFailed
from lambdas.domain.models.lookup import find_model
from lambdas.domain.run.names import custom_model_of, names_of
from lambdas.domain.run.tags import ENVIRONMENT
from lambdas.domain.run.tuned_model import CustomModel, TunedModel, tuned_model

RUN = names_of("dev", "first", "arn").run
OTHER = names_of("dev", "second", "arn").run
MICRO = "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-micro-v1:0"


def model(environment: str = "dev", run: str = RUN, **changes: object) -> CustomModel:
    name = custom_model_of(environment, run)
    members: dict[str, object] = {
        "arn": "arn of the model",
        "name": name,
        "status": "Active",
        "base_model_arn": f"{MICRO}:128k",
        "tags": {ENVIRONMENT: environment},
    }
    return CustomModel(**members | changes)  # type: ignore[arg-type]


def found(given: CustomModel | None, asked: object = None, *known: str) -> TunedModel:
    return tuned_model(RUN, "dev", given, asked, lambda: known)


@pytest.mark.parametrize("base", [MICRO, f"{MICRO}:128k"])
def test_the_model_is_of_the_catalogue_with_its_context_or_without(base: str) -> None:
    assert found(model(base_model_arn=base)) == ("arn of the model", find_model("nova-micro"))
    assert found(model(), "nova-micro").base.key == "nova-micro"


def test_a_model_that_lost_its_tags_is_known_by_its_name() -> None:
    assert found(model(tags={})).arn == "arn of the model"


def test_an_unknown_run_is_answered_with_the_nearest() -> None:
    with pytest.raises(PreflightFailed) as refused:
        found(None, None, OTHER, f"{RUN[:-1]}x")
    assert f"no custom model dev-{RUN} of this environment" in str(refused.value)
    assert f"Did you mean '{RUN[:-1]}x'?" in str(refused.value)
    assert OTHER in str(refused.value)
    with pytest.raises(PreflightFailed, match="No run here has one"):
        found(None)


@pytest.mark.parametrize(
    "given",
    [
        model(tags={ENVIRONMENT: "prod"}),
        model(name="dev-by-hand"),
        model(name=custom_model_of("dev-2", names_of("dev-2", "first", "arn").run), tags={}),
    ],
    ids=["tag of another environment", "no run's name", "name of another environment"],
)
def test_what_is_not_this_environments_is_refused(given: CustomModel) -> None:
    with pytest.raises(PreflightFailed, match="no custom model dev-first-"):
        found(given)


@pytest.mark.parametrize("status", ["Creating", "Failed"])
def test_a_model_that_is_not_active_is_refused(status: str) -> None:
    with pytest.raises(PreflightFailed, match=f"is {status}, not Active"):
        found(model(status=status))


def test_another_model_than_the_runs_is_refused_with_words() -> None:
    with pytest.raises(PreflightFailed, match=r"model is 'nova-lite', and run .* 'nova-micro'"):
        found(model(), "nova-lite")
    with pytest.raises(PreflightFailed, match="not in the catalogue"):
        found(model(base_model_arn="arn:aws:bedrock:us-east-1::foundation-model/old"))
