"""One side of a review as JSON, by the code of the checkout in which it runs.

`python -m stacks.review.side` prints settings, region, templates and quote by environment. It also
runs by its path in a checkout from before it existed, so it imports nothing of its own room.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Collection
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache, partial
from importlib import import_module
from importlib.util import find_spec
from inspect import signature
from pathlib import Path
from typing import Any

# Where the modules were before there were rooms.
_EARLIER = {
    "stacks.review.templates": ("stacks.review.snapshot", "stacks.snapshot"),
    "lambdas.domain.cost.price_book": ("lambdas.domain.prices",),
    "lambdas.domain.cost.estimate": ("lambdas.domain.cost.quote", "lambdas.domain.quote"),
    "lambdas.domain.run": ("lambdas.domain",),
    "lambdas.domain.models.lookup": ("lambdas.domain.models.catalogue", "lambdas.domain.catalogue"),
    "lambdas.domain.run.contracts": ("lambdas.domain.contracts",),
    "lambdas.domain.run.execution_input": ("lambdas.domain.execution_input",),
    "lambdas.domain.run.preflight": ("lambdas.domain.preflight",),
    "lambdas.validation": ("lambdas.domain.validation",),
}
_WHEN = datetime(2026, 1, 1, tzinfo=UTC)  # a quote does not depend on it


def side(name: str, folder: Path) -> dict[str, Any]:
    """Return what a review compares of an environment; `folder` is for its cloud assembly."""
    from stacks.environment import load
    from stacks.review.templates import synthesise

    environment = load(name)
    return {
        "settings": tomllib.loads(Path(f"environments/{name}.toml").read_text("utf-8")),
        "region": environment.region,
        "stacks": synthesise(environment, folder),
        "quote": _or_reason(partial(quote, environment)),
    }


def quote(environment: Any) -> dict[str, Any]:
    """Return the quote in US dollars of an execution with the input {} on the shipped dataset."""
    from lambdas.domain.cost.estimate import make_quote
    from lambdas.domain.run import preflight
    from lambdas.domain.run.contracts import CheckPreflightRequest, Execution
    from lambdas.domain.run.execution_input import resolve

    region, account = environment.region, "111122223333"
    settings = resolve({}, environment.defaults)
    dataset = _shipped_dataset(settings.model)
    execution = Execution(
        name="review",
        arn=f"arn:aws:states:{region}:{account}:execution:{environment.name}:review",
        started_at=_WHEN,
    )
    request = CheckPreflightRequest(input={}, execution=execution, now=_WHEN)
    names = vars(preflight)
    deployed = names.get("DeployedEnvironment") or names["Place"]
    place = deployed(environment.name, "bucket", region, account, "role")
    run = preflight.plan(request, settings, environment.defaults, place, frozenset())
    quoted: Callable[..., Any] = make_quote
    made = quoted(run, dataset, *_prices(environment, {*signature(make_quote).parameters}))
    return {
        "expected": made.expected_usd,
        "at most": made.high_usd,
        "items": {item.what: [item.expected_usd, item.high_usd] for item in made.items},
    }


def _prices(environment: Any, asked: Collection[str]) -> list[Any]:
    """Return what the side's `make_quote` takes beside run and dataset."""
    from lambdas.domain.cost.price_book import PriceBook

    book = PriceBook.load(environment.prices)
    if "calculator" in asked:
        from lambdas.domain.cost.calculator import Calculator

        return [Calculator(book, environment.region)]
    return [book, environment.region] if "region" in asked else [book]


@cache
def _shipped_dataset(model: str) -> Any:
    from lambdas.domain.models.lookup import find_model
    from lambdas.domain.run.contracts import Dataset
    from lambdas.validation import FileSource, check

    with tempfile.TemporaryDirectory() as out:
        prepare = [sys.executable, "-m", "dataset", "prepare", "--model", model, "dataset", out]
        subprocess.run(prepare, check=True, capture_output=True)
        names = [f"{kind}.jsonl" for kind in ("training", "validation", "evaluation")]
        training, validation, evaluation = (FileSource(Path(out, name), name) for name in names)
        report = check(find_model(model), training, validation, evaluation)
    files = report.files
    figures = {
        "training_records": files[training.name].records,
        "validation_records": files[validation.name].records,
        "evaluation_examples": files[evaluation.name].records,
        "training_tokens": files[training.name].tokens,
        "expected_training_tokens": files[training.name].expected_tokens,
        "evaluation_tokens": files[evaluation.name].tokens,
        "warnings": report.findings.count("warning"),
        "system_prompt": report.system_prompt,
        "findings_key": "validation.json",
    }
    return Dataset(**{name: figures[name] for name in Dataset.model_fields})


def _or_reason(make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return make()
    except Exception as error:  # noqa: BLE001  # a review says why a side cannot be shown
        return {"error": f"{type(error).__name__}: {' '.join(str(error).split())[:500]}"}


def _exists(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # of a package above it
        return False


def _alias_earlier_modules() -> None:
    for module, earlier in _EARLIER.items():
        names = [name for name in (module, *earlier) if _exists(name)]
        if names and names[0] != module:
            with suppress(ImportError):  # then what needs it says so
                sys.modules[module] = import_module(names[0])


def main() -> None:
    _alias_earlier_modules()
    names = sorted(path.stem for path in Path("environments").glob("*.toml"))
    with tempfile.TemporaryDirectory() as folder:
        sides = {name: _or_reason(partial(side, name, Path(folder) / name)) for name in names}
    json.dump(sides, sys.stdout)


if __name__ == "__main__":
    main()
