"""The models of an environment: that they live, may be called, and have fresh prices."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from functools import partial

from lambdas.aws.foundation_models import FoundationModels, refusal_of
from lambdas.domain.cost.hosting_kinds import PRICINGS
from lambdas.domain.cost.needed_prices import OF_A_JUDGE, OF_A_MODEL
from lambdas.domain.cost.price_book import Price, PriceBook, PriceField
from lambdas.domain.models.lookup import find_judge, find_model, find_untuned
from lambdas.domain.models.model import Inference, Model
from lambdas.domain.preflight.access import access_problems, answer_problem
from lambdas.domain.preflight.models import (
    lifecycle_problems,
    lifecycle_warning,
    support_problems,
)
from lambdas.domain.run.execution_input import FEW_SHOT
from operate.checks.finding import Account, Check, Finding, Verdict

# awslabs/startups, ai-model-lifecycle.md, refuses models within as many days of their end.
_ENDS_SOON = timedelta(days=90)
_PRICES_AGE = timedelta(days=90)  # AWS announces a change of prices on no fixed day


def model_checks(account: Account) -> Iterator[Check]:
    """Yield the checks of the environment's own model, judge, and what it compares with."""
    defaults = account.environment.defaults
    model, judge = find_model(defaults.model), find_judge(defaults.judge_model)
    yield Check(f"tuning of {model.key}", partial(_tunable, model=model))
    others = [find_untuned(key) for key in defaults.also_compare if key != FEW_SHOT]
    asked = {judge.key: judge.inference, **{each.key: each.inference for each in others}}
    for name, inference in {model.key: model.base_inference, **asked}.items():
        yield Check(f"access to {name}", partial(_agreed, name=name, inference=inference))
        yield Check(f"an answer of {name}", partial(_answers, name=name, inference=inference))
    tuned = (*OF_A_MODEL, *_hosting_prices(account, model))
    yield Check(f"prices of {model.key}", partial(_prices, key=model.key, fields=tuned))
    for key in asked:
        yield Check(f"prices of {key}", partial(_prices, key=key, fields=OF_A_JUDGE))


def _tunable(account: Account, *, model: Model) -> Iterator[Finding]:
    what, until = f"tuning of {model.key}", account.now + _ENDS_SOON
    found = FoundationModels(account.client("bedrock")).find(model.customization_model_id)
    defaults = account.environment.defaults
    status = found.status if found else "not known to Bedrock"
    for problem in support_problems(model, found, defaults.hosting, account.region):
        yield Finding(Verdict.FIX, what, status, f"{problem}: choose another [defaults] model")
    closed = list(lifecycle_problems(model, found, until))
    for problem in closed:
        if model.key in defaults.models_past_end:
            means = f"{problem}; listed in models_past_end: AWS must have agreed"
            yield Finding(Verdict.NOTE, what, status, means)
        else:
            yield Finding(Verdict.FIX, what, status, f"{problem}: choose another [defaults] model")
    if warning := lifecycle_warning(model, until):
        yield Finding(Verdict.NOTE, what, status, warning)
    if found and not closed:
        yield Finding(Verdict.OK, what, status)


def _agreed(account: Account, *, name: str, inference: Inference) -> Iterator[Finding]:
    what, model_id = f"access to {name}", inference.foundation_model_id
    access = FoundationModels(account.client("bedrock")).access(model_id)
    problems = list(access_problems(name, access, account.region))
    for problem in problems:
        # A profile may answer from another region, so that only the call below decides.
        yield Finding(Verdict.NOTE, what, "incomplete", problem)
    if not problems:
        yield Finding(Verdict.OK, what, "granted" if access else "not told by AWS")


def _answers(account: Account, *, name: str, inference: Inference) -> Iterator[Finding]:
    what, model_id = f"an answer of {name}", inference.model_id
    if refusal := refusal_of(model_id, account.client("bedrock-runtime")):
        means = answer_problem(name, model_id, refusal, account.region)
        yield Finding(Verdict.FIX, what, "refused", means)
    else:
        means = "by your credentials; the functions have roles of their own"
        yield Finding(Verdict.OK, what, "one token", means)


def _prices(account: Account, *, key: str, fields: tuple[PriceField, ...]) -> Iterator[Finding]:
    book = PriceBook.load(account.environment.prices)
    what = f"prices of {key}"
    missing = book.missing(key, account.region, fields)
    if missing:  # without one that every run needs, the environment had not been read
        means = "that kind of hosting is never the cheapest, for it cannot be quoted"
        yield Finding(Verdict.NOTE, what, f"no {', '.join(missing)}", means)
    known = {each: book.price(key, account.region, each) for each in fields if each not in missing}
    yield _age(account, what, known)


def _hosting_prices(account: Account, model: Model) -> Iterator[PriceField]:
    asked = account.environment.defaults.hosting
    for kind in model.hosted_in(account.region):
        if asked in {"cheapest", kind}:
            yield from PRICINGS[kind].prices


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
