"""What a run will cost, estimated before it spends anything.

Each item has a low, an expected and a high figure with its arithmetic. The sum of the high figures
is the most that the run may cost, and is held against `max_cost_usd`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import ceil

from lambdas.domain.cost.calculator import Calculator
from lambdas.domain.cost.hosting_choice import choose_hosting
from lambdas.domain.cost.hosting_kinds import PRICINGS
from lambdas.domain.cost.items import (
    TOKEN_SHARES,
    Amounts,
    answer_items,
    answer_tokens,
    other_answer_items,
    priced,
    token_items,
)
from lambdas.domain.cost.price_book import service_price
from lambdas.domain.cost.quote import (
    BASE_ANSWERS,
    JUDGEMENTS,
    REVIEW,
    SCREENING,
    TRAINING,
    Quote,
    QuotedHosting,
    QuoteItem,
    answers_of,
    dollars,
)
from lambdas.domain.data_review.sampling import quoted_usd, step_through
from lambdas.domain.evaluation.candidates import candidates_of
from lambdas.domain.evaluation.metrics import needs_judge
from lambdas.domain.evaluation.prompt_files import correctness, language_of, preference
from lambdas.domain.evaluation.rubrics import (
    ATTEMPTS,
    MAX_TOKENS,
    OUTPUT_TOKENS,
    Tool,
)
from lambdas.domain.hosting.answering import ENOUGH_QUESTIONS, SECONDS, answering_minutes
from lambdas.domain.hosting.throughput import SLOW_PROVISIONING_MINUTES
from lambdas.domain.models.lookup import find_model
from lambdas.domain.models.model import HostingKind
from lambdas.domain.run.contracts import Dataset, HostingOption, Run
from lambdas.domain.run.times import duration
from lambdas.domain.training.hyperparameters import Hyperparameters, choose_hyperparameters

_JUDGE_OUTPUT_TOKENS = (*OUTPUT_TOKENS, MAX_TOKENS)
_CHARACTERS_PER_TOKEN = 4  # of English prose
_UNIT_CHARACTERS = 100  # of Amazon Comprehend's price
_SIDES = 2  # base and tuned
_ORDERS = 2  # in which both answers are compared


def make_quote(run: Run, dataset: Dataset, calculator: Calculator) -> Quote:
    """Quote a run.

    Raises
    ------
    PriceMissing
        The run needs a price that neither the book nor the environment has.
    """
    chosen, hosting = _hyperparameters(run, dataset), choose_hosting(run, dataset, calculator)
    items = [
        *_screening(run, dataset),
        *_review(run, dataset, calculator),
        *_training(run, dataset, chosen.values, calculator),
        *hosting.items,
        *_base_answers(run, dataset, calculator),
        *_other_answers(run, dataset, calculator),
        *_judgements(run, dataset, calculator),
    ]
    return Quote(
        items=items,
        monthly=None if run.tuned_by_run else _storage(run, calculator),
        dataset_sha256=dataset.sha256,
        low_usd=_sum(item.low_usd for item in items),
        expected_usd=_sum(item.expected_usd for item in items),
        high_usd=_sum(item.high_usd for item in items),
        max_cost_usd=run.settings.max_cost_usd,
        hyperparameters=chosen.values,
        hyperparameter_reasons=chosen.reasons,
        epochs=0 if run.tuned_by_run else _epochs(run, chosen.values),
        hosting=hosting.chosen,
        hosting_reason=hosting.reason,
        other_hosting=hosting.others,
        assumptions=[
            *_assumptions(run, hosting.chosen),
            *_time(run, dataset),
            *_set_aside(dataset),
            *_not_its_own(items),
        ],
    )


def savings(run: Run, dataset: Dataset, calculator: Calculator) -> dict[str, float]:
    """Return what lowers the run's high figure, and to how much, in US dollars.

    Each alone, to the least that usually works.
    """
    settings, quote = run.settings, make_quote(run, dataset, calculator)
    model = find_model(settings.model)
    epochs = int(model.hyperparameters[model.epochs].minimum)
    cheaper = {
        "max_provisioning_minutes": SLOW_PROVISIONING_MINUTES,
        "hold_minutes": 0,
        "model_units": 1,
        "review_data": False,
    }
    now = dict(settings) | {
        "max_provisioning_minutes": settings.provisioning_minutes("provisioned")
    }
    runs = {
        f"{name} = {str(value).lower()}": _changed(run, {name: value})
        for name, value in cheaper.items()
        if value < now[name]
    }
    fewer = {**settings.hyperparameters, model.epochs: epochs}
    if settings.also_compare:
        runs["also_compare = []"] = _changed(run, {"also_compare": []})
    runs[f"{model.epochs} = {epochs}"] = _changed(run, {"hyperparameters": fewer})
    for other in quote.other_hosting:
        if other.items and not other.problem:
            runs[f"hosting = {other.kind}"] = _hosted(run, other.kind)
    quotes = {change: make_quote(each, dataset, calculator) for change, each in runs.items()}
    if dataset.evaluation_examples > ENOUGH_QUESTIONS:
        asked = f"a sample of {ENOUGH_QUESTIONS} evaluation questions"
        quotes[asked] = make_quote(run, _sample(dataset), calculator)
    highs = {change: each.high_usd for change, each in quotes.items()}
    return {change: high for change, high in highs.items() if high < quote.high_usd}


def _sample(dataset: Dataset) -> Dataset:
    share = ENOUGH_QUESTIONS / dataset.evaluation_examples
    tokens = ceil(dataset.evaluation_tokens * share)
    fewer = {"evaluation_examples": ENOUGH_QUESTIONS, "evaluation_tokens": tokens}
    return dataset.model_copy(update=fewer)


def _changed(run: Run, settings: Mapping[str, object]) -> Run:
    return run.model_copy(update={"settings": run.settings.model_copy(update=settings)})


def _hosted(run: Run, kind: HostingKind) -> Run:
    options = {"hosting_options": (HostingOption(kind=kind),)}
    return _changed(run, {"hosting": kind}).model_copy(update=options)


def _screening(run: Run, dataset: Dataset) -> list[QuoteItem]:
    most = run.comprehend_max_usd
    if not most:
        return []
    price = service_price("comprehend_usd_per_unit")
    tokens = dataset.expected_training_tokens + dataset.asked_tokens
    expected = min(tokens * _CHARACTERS_PER_TOKEN / _UNIT_CHARACTERS * price.usd, most)
    return [
        QuoteItem(
            what=SCREENING,
            low_usd=0,  # what is in no language that it knows is not sent
            expected_usd=round(expected, 6),
            high_usd=most,
            how=f"Amazon Comprehend, about {dollars(expected)}, within comprehend_max_usd = "
            f"{most:g}: {dollars(most)}",
            price=str(price),
        )
    ]


def _review(run: Run, dataset: Dataset, calculator: Calculator) -> list[QuoteItem]:
    if not run.settings.review_data:
        return []
    prices = calculator.tokens(run.settings.judge_model)
    records, most = dataset.training_records, run.settings.max_review_usd
    reviewed = records // step_through(records, dataset.training_tokens, most, prices.usd)
    low, expected, high = quoted_usd(records, dataset.training_tokens, most, prices.usd)
    return [
        QuoteItem(
            what=REVIEW,
            low_usd=round(low, 6),
            expected_usd=round(expected, 6),
            high_usd=round(high, 6),
            how=f"about {reviewed:,} of {records:,} records reviewed once = "
            f"{dollars(expected)}; each at most twice, within max_review_usd = {most:g}: "
            f"{dollars(high)}",
            price=f"asking {prices.input}; answering {prices.output}",
            stand_in=prices.input.is_stand_in or prices.output.is_stand_in,
        )
    ]


def _hyperparameters(run: Run, dataset: Dataset) -> Hyperparameters:
    if run.tuned_by_run:
        return Hyperparameters({}, {})
    settings = run.settings
    return choose_hyperparameters(
        find_model(settings.model), settings.hyperparameters, dataset.training_records
    )


def _training(
    run: Run, dataset: Dataset, hyperparameters: Mapping[str, str], calculator: Calculator
) -> list[QuoteItem]:
    if run.tuned_by_run:
        return []
    model, epochs = run.settings.model, _epochs(run, hyperparameters)
    price = calculator.price(model, "training_usd_per_1k_tokens")
    tokens = _training_tokens(dataset)
    earliest = _earliest_stop(run, dataset, hyperparameters) / epochs
    units = Amounts(tokens.low * earliest, tokens.expected, tokens.high)
    unit = f"tokens x {epochs} epochs x {{price}} per 1,000"
    return [priced(TRAINING, units, price, calculator.training_usd(model, 1, epochs), unit)]


def _training_tokens(dataset: Dataset) -> Amounts:
    """Return the tokens of the training file: nothing published says that validation data bills."""
    most, expected = dataset.training_tokens, dataset.expected_training_tokens
    return Amounts(min(most * TOKEN_SHARES[0], expected), expected, most)


def _epochs(run: Run, hyperparameters: Mapping[str, str]) -> int:
    return int(hyperparameters[find_model(run.settings.model).epochs])


def _earliest_stop(run: Run, dataset: Dataset, hyperparameters: Mapping[str, str]) -> int:
    """Return the epoch after which training may stop: only a validation loss can stop it early."""
    epochs = _epochs(run, hyperparameters)
    patience = find_model(run.settings.model).hyperparameter("early-stopping-patience")
    if patience is None or not dataset.validation_records:
        return epochs
    return min(epochs, 1 + int(hyperparameters[patience]))


def _other_answers(run: Run, dataset: Dataset, calculator: Calculator) -> Iterable[QuoteItem]:
    for each in candidates_of(run.settings):
        before = dataset.few_shot_tokens if each.shows_examples else 0
        prices = calculator.tokens(each.model)
        yield from other_answer_items(answers_of(each.name), run, dataset, prices, before=before)


def _base_answers(run: Run, dataset: Dataset, calculator: Calculator) -> list[QuoteItem]:
    if run.answers_of_run:
        return []
    return answer_items(BASE_ANSWERS, run, dataset, calculator.tokens(run.settings.model))


def _judgements(run: Run, dataset: Dataset, calculator: Calculator) -> list[QuoteItem]:
    """Quote a score of each answer, and of examples a preference in each order, of both answers."""
    settings = run.settings
    if not needs_judge(settings.metric):
        return []
    language = language_of(settings.judge_prompt, japanese=dataset.is_japanese)
    answer, score, choice = answer_tokens(run, dataset), correctness(language), preference(language)
    examples, tokens = dataset.evaluation_examples, dataset.evaluation_tokens
    asked = _judged(score, dataset.asked_tokens, dataset.asked, answer) * _SIDES
    asked += _judged(score, tokens, examples, answer) * len(settings.also_compare)
    asked += _judged(choice, tokens, examples, answer * _SIDES) * _ORDERS
    said = Amounts(*(each * _requests(run, dataset) for each in _JUDGE_OUTPUT_TOKENS))
    return token_items(JUDGEMENTS, asked, said, calculator.tokens(settings.judge_model))


def _judged(tool: Tool, tokens: int, count: int, answers: Amounts) -> Amounts:
    """Return the tokens of one request about each of so many questions, of so many tokens."""
    sent = tokens + count * tool.most_input_tokens("")
    return Amounts(*(sent * share for share in TOKEN_SHARES)) + answers * count


def _requests(run: Run, dataset: Dataset) -> int:
    """Return how often the judge is asked."""
    others = len(run.settings.also_compare)
    return dataset.asked * _SIDES + dataset.evaluation_examples * (others + _ORDERS)


def _storage(run: Run, calculator: Calculator) -> QuoteItem:
    price = calculator.price(run.settings.model, "storage_usd_per_model_month")
    return priced(
        "Custom model, a month", Amounts(1, 1, 1), price, price.usd, "model x {price} a month"
    )


def _assumptions(run: Run, hosting: QuotedHosting | None) -> list[str]:
    low, expected, _ = TOKEN_SHARES
    return [
        f"Tokens are upper estimates: expected {expected:.0%} of them, low {low:.0%} (prose).",
        *_of_training(run),
        f"At most, what is paid by the token is asked {ATTEMPTS} times about every question.",
        *(PRICINGS[hosting.kind].assumptions(run) if hosting else []),
        "Without tax, S3, Lambda and Step Functions, which cost a few cents.",
    ]


def _time(run: Run, dataset: Dataset) -> Iterable[str]:
    """Yield for how long models are asked: many questions take hours, whoever hosts them."""
    answering = answering_minutes(dataset.asked, SECONDS[1])
    judging = answering_minutes(_requests(run, dataset), SECONDS[1])
    takes = {"each model": not run.answers_of_run, "the judge": needs_judge(run.settings.metric)}
    minutes = {"each model": answering, "the judge": judging}
    said = [
        f"{who} about {duration(ceil(minutes[who]))}" for who, is_asked in takes.items() if is_asked
    ]
    if said:
        yield (
            f"{dataset.asked:,} questions take {', and '.join(said)}, at {SECONDS[1]:g} seconds an "
            "answer."
        )


def _set_aside(dataset: Dataset) -> Iterable[str]:
    if dataset.set_aside:
        yield (
            f"{dataset.set_aside:,} of {dataset.evaluation_examples:,} evaluation questions stand "
            "in training or validation, or are asked twice: they are asked, but decide nothing."
        )


def _of_training(run: Run) -> list[str]:
    if run.tuned_by_run:
        return [f"Nothing is trained: the model is run {run.tuned_by_run}'s, and stored already."]
    tokens = "Expected training tokens are estimated by script and model family."
    if not _stops_early(run):
        return [tokens]
    early = "Low training stops as early as early stopping allows; expected trains every epoch."
    return [tokens, early]


def _stops_early(run: Run) -> bool:
    ranges = find_model(run.settings.model).hyperparameters.values()
    return any(each.role == "early-stopping-patience" for each in ranges)


def _not_its_own(items: Iterable[QuoteItem]) -> Iterable[str]:
    for item in items:
        if item.stand_in:
            yield (
                f"{item.what} has another model's price in place of its own, {item.price}: look "
                "up the model's price and set it in the environment's [prices.<model>] table."
            )
        if item.inferred:
            yield (
                f"{item.what} has its base model's price, {item.price}: that is what custom "
                "tokens cost wherever a figure of their own is known."
            )


def _sum(values: Iterable[float]) -> float:
    return round(sum(values), 2)
