"""The models of an environment: that they live, may be called, and have fresh prices."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from typing import Any

from lambdas.domain.cost.price_book import Price, PriceBook, PriceField
from lambdas.domain.errors import PriceMissing
from lambdas.domain.models.lookup import find_judge, find_model
from lambdas.domain.models.model import Inference, Model
from operate.checks.finding import Account, Check, Finding, Verdict

# awslabs/startups, ai-model-lifecycle.md, refuses models within as many days of their end.
_ENDS_SOON = timedelta(days=90)
_PRICES_AGE = timedelta(days=90)  # AWS announces a change of prices on no fixed day
_ASKED: tuple[PriceField, ...] = ("input_usd_per_1k_tokens", "output_usd_per_1k_tokens")
_TUNED: tuple[PriceField, ...] = (
    "training_usd_per_1k_tokens",
    "throughput_usd_per_unit_hour",
    "storage_usd_per_model_month",
    *_ASKED,
)


def model_checks(account: Account) -> Iterator[Check]:
    """Yield the checks of the environment's own model and judge."""
    defaults = account.environment.defaults
    model, judge = find_model(defaults.model), find_judge(defaults.judge_model)
    yield Check(f"lifecycle of {model.key}", partial(_tunable, model=model))
    for name, inference in ((model.key, model.base_inference), (judge.key, judge.inference)):
        yield Check(f"access to {name}", partial(_agreed, name=name, inference=inference))
        yield Check(f"an answer of {name}", partial(_answers, name=name, inference=inference))
    yield Check(f"prices of {model.key}", partial(_prices, key=model.key, fields=_TUNED))
    yield Check(f"prices of {judge.key}", partial(_prices, key=judge.key, fields=_ASKED))


def _tunable(account: Account, *, model: Model) -> Iterator[Finding]:
    what, model_id = f"lifecycle of {model.key}", model.customization_model_id
    details = account.client("bedrock").get_foundation_model(modelIdentifier=model_id)
    shown = details["modelDetails"]
    lifecycle = shown.get("modelLifecycle", {})
    ends = lifecycle.get("endOfLifeTime")
    closed = model.lifecycle.closed_on(account.now.date())
    found = lifecycle.get("status", "no status") + (f", ends {ends:%Y-%m-%d}" if ends else "")
    if closed:
        found += f", and Legacy since {closed} by AWS's page"
    is_open = lifecycle.get("status") == "ACTIVE" and not closed
    if is_open and (ends is None or ends > account.now + _ENDS_SOON):
        yield Finding(Verdict.OK, what, found)
    elif model.key in account.environment.defaults.models_past_end:
        yield Finding(Verdict.NOTE, what, found, "listed in models_past_end: AWS must have agreed")
    else:
        means = "no new job or throughput once it is Legacy: choose another [defaults] model"
        yield Finding(Verdict.FIX, what, found, means)
    offered = shown.get("customizationsSupported", [])
    if "FINE_TUNING" not in offered:
        found = ", ".join(offered) or "nothing"
        yield Finding(Verdict.FIX, f"tuning {model_id}", found, "not FINE_TUNING")


def _agreed(account: Account, *, name: str, inference: Inference) -> Iterator[Finding]:
    answer = account.client("bedrock").get_foundation_model_availability(
        modelId=inference.foundation_model_id
    )
    states = {
        "agreement": answer.get("agreementAvailability", {}).get("status"),
        "authorization": answer.get("authorizationStatus"),
        "entitlement": answer.get("entitlementAvailability"),
        "region": answer.get("regionAvailability"),
    }
    refused = {key: state for key, state in states.items() if state not in _GRANTED}
    if not refused:
        yield Finding(Verdict.OK, f"access to {name}", "granted")
        return
    found = ", ".join(f"{key} {state}" for key, state in refused.items())
    # A profile may answer from another region, so that only the call below decides.
    means = "Bedrock console, Model access; a third party's model needs its agreement once"
    yield Finding(Verdict.NOTE, f"access to {name}", found, means)


_GRANTED = {"AVAILABLE", "AUTHORIZED"}


def _answers(account: Account, *, name: str, inference: Inference) -> Iterator[Finding]:
    request: dict[str, Any] = {
        "modelId": inference.model_id,
        "messages": [{"role": "user", "content": [{"text": "Hi"}]}],
        "inferenceConfig": {"maxTokens": 1},
    }
    usage = account.client("bedrock-runtime").converse(**request).get("usage", {})
    yield Finding(
        Verdict.OK,
        f"an answer of {name}",
        f"{usage.get('inputTokens', 0)} tokens in, {usage.get('outputTokens', 0)} out",
        "by your credentials; the functions have roles of their own",
    )


def _prices(account: Account, *, key: str, fields: tuple[PriceField, ...]) -> Iterator[Finding]:
    book = PriceBook.load(account.environment.prices)
    what = f"prices of {key}"
    prices = {}
    for field in fields:
        try:
            prices[field] = book.price(key, account.region, field)
        except PriceMissing as error:
            yield Finding(Verdict.FIX, f"{what}: {field}", "missing", " ".join(str(error).split()))
    yield _age(account, what, prices)


def _age(account: Account, what: str, prices: dict[PriceField, Price]) -> Finding:
    read = [price.read_on for price in prices.values() if price.read_on]
    stand_ins = [field for field, price in prices.items() if price.is_stand_in]
    oldest = min(read, default=account.now.date())
    found = f"oldest read {oldest}"
    if stand_ins:
        means = f"another model's price stands in for {', '.join(stand_ins)}: look yours up"
        return Finding(Verdict.NOTE, what, found, f"{means}, for [prices.…]")
    if account.now.date() - oldest > _PRICES_AGE:
        means = "look them up and give your own in [prices.…]"
        return Finding(Verdict.NOTE, what, f"{found}, older than 90 days", means)
    return Finding(Verdict.OK, what, found)
