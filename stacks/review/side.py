"""One side of a review as JSON, by the code of the checkout in which it runs.

`python -m stacks.review.side` prints settings, region, templates and quote by environment.
"""

from __future__ import annotations

import json
import sys
import tempfile
import tomllib
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import Any

from dataset.commands.prepare import prepare
from lambdas.domain.cost.calculator import Calculator
from lambdas.domain.cost.estimate import make_quote
from lambdas.domain.cost.price_book import PriceBook
from lambdas.domain.models.lookup import find_model
from lambdas.domain.preflight.check import DeployedEnvironment, plan
from lambdas.domain.preflight.models import kinds_of_hosting
from lambdas.domain.run.contracts import CheckPreflightRequest, Dataset, Execution, HostingOption
from lambdas.domain.run.execution_input import ExecutionInput, resolve
from lambdas.domain.run.validated_dataset import dataset_of
from stacks.environment import Environment, load
from stacks.review.templates import synthesise

_WHEN = datetime(2026, 1, 1, tzinfo=UTC)  # a quote does not depend on it
_ACCOUNT = "111122223333"


def side(name: str, folder: Path) -> dict[str, Any]:
    """Return what a review compares of an environment; `folder` is for its cloud assembly."""
    environment = load(name)
    return {
        "settings": tomllib.loads(Path(f"environments/{name}.toml").read_text("utf-8")),
        "region": environment.region,
        "stacks": synthesise(environment, folder),
        "quote": _or_reason(partial(quote, environment)),
    }


def quote(environment: Environment) -> dict[str, Any]:
    """Return the quote in US dollars of an execution with the input {} on the shipped dataset."""
    region = environment.region
    settings = resolve({}, environment.defaults)
    execution = Execution(
        name="review",
        arn=f"arn:aws:states:{region}:{_ACCOUNT}:execution:{environment.name}:review",
        started_at=_WHEN,
    )
    request = CheckPreflightRequest(input={}, execution=execution, now=_WHEN)
    deployed = DeployedEnvironment(
        name=environment.name,
        bucket="bucket",
        region=region,
        account=_ACCOUNT,
        service_role_arn="role",
        tags={},
        reap_every_minutes=environment.spending.reap_every_minutes,
        comprehend_max_usd=environment.validation.comprehend_max_usd,
    )
    run = plan(request, settings, environment.defaults, deployed, _hosting(settings, region))
    calculator = Calculator(PriceBook.load(environment.prices), region)
    made = make_quote(run, _shipped_dataset(settings.model), calculator)
    return {
        "expected": made.expected_usd,
        "at most": made.high_usd,
        "items": {item.what: [item.expected_usd, item.high_usd] for item in made.items},
    }


def _hosting(settings: ExecutionInput, region: str) -> tuple[HostingOption, ...]:
    kinds = kinds_of_hosting(settings.hosting, find_model(settings.model), None, region)
    return tuple(HostingOption(kind=kind) for kind in kinds)


@cache
def _shipped_dataset(model: str) -> Dataset:
    with tempfile.TemporaryDirectory() as out:
        prepared = prepare(Path("dataset"), Path(out), find_model(model))
    return dataset_of(prepared.report, frozen=(), findings_key="validation.json")


def _or_reason(make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return make()
    except Exception as error:  # noqa: BLE001  # a review says why a side cannot be shown
        return {"error": f"{type(error).__name__}: {' '.join(str(error).split())[:500]}"}


def main() -> None:
    names = sorted(path.stem for path in Path("environments").glob("*.toml"))
    with tempfile.TemporaryDirectory() as folder:
        sides = {name: _or_reason(partial(side, name, Path(folder) / name)) for name in names}
    json.dump(sides, sys.stdout)


if __name__ == "__main__":
    main()
