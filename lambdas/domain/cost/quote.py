"""What a run will cost, quoted before it spends anything.

Each item has a low, an expected and a high figure with its arithmetic. The high one is what the run
may cost at most: `max_cost_usd` is held against the sum of those.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lambdas.domain.cost.price_book import Price, PriceBook, PriceField
from lambdas.domain.data_review.review import Rates
from lambdas.domain.data_review.sampling import quoted_usd, step_through
from lambdas.domain.errors import CostCeilingExceeded
from lambdas.domain.evaluation.judge import ATTEMPTS, MAX_TOKENS, SYSTEM_PROMPT
from lambdas.domain.hosting.throughput import EXPECTED_PROVISIONING_MINUTES, RELEASE_MARGIN_MINUTES
from lambdas.domain.models.lookup import find_model
from lambdas.domain.run.contracts import Contract, Dataset, Run

# Answers and judgements of today's models take seconds, and are asked for several at once.
_ANSWER_SECONDS = (1.0, 3.0)
_SLOWER_PROVISIONING_MINUTES = 5  # AWS's Haiku notebook says 20 to 30
_SECONDS_PER_MINUTE = 60
# The count of tokens is an upper estimate: prose has about two thirds of it.
_TOKEN_SHARES = (0.6, 0.7, 1.0)
_SHORT_ANSWER_TOKENS = 40
_JUDGE_OUTPUT_TOKENS = (60, 150, MAX_TOKENS)
_JUDGE_INSTRUCTION_TOKENS = len(SYSTEM_PROMPT) // 3 + 250  # and the tool's schema
_SIDES = 2  # base and tuned
_SMALLEST_SHOWN_USD = 0.0001
REVIEW = "Review of the training data"


class QuoteItem(Contract):
    """One thing that bills; `how` has the arithmetic of the expected and the high figure."""

    what: str
    low_usd: float
    expected_usd: float
    high_usd: float
    how: str
    price: str  # with its source and date
    stand_in: bool = False  # the price is another model's, for want of its own


class Quote(Contract):
    """A run's cost in US dollars, without tax; `monthly` goes on after the run."""

    items: list[QuoteItem]
    monthly: QuoteItem
    low_usd: float
    expected_usd: float
    high_usd: float
    max_cost_usd: float
    assumptions: list[str]


@dataclass(frozen=True)
class Amounts:
    """Low, expected and high amounts of one unit, never falling."""

    low: float
    expected: float
    high: float

    def __post_init__(self) -> None:
        if not 0 <= self.low <= self.expected <= self.high:
            raise ValueError(f"amounts must rise: {self}")

    def __mul__(self, factor: float) -> Amounts:
        return Amounts(self.low * factor, self.expected * factor, self.high * factor)

    def at_most(self, factor: float) -> Amounts:
        """Return the same with a high figure so many times as high."""
        return Amounts(self.low, self.expected, self.high * factor)

    def __add__(self, other: Amounts) -> Amounts:
        return Amounts(self.low + other.low, self.expected + other.expected, self.high + other.high)


def make_quote(run: Run, dataset: Dataset, prices: PriceBook) -> Quote:
    """Quote a run.

    Raises
    ------
    PriceMissing
        A price that the run needs is in no book.
    """
    pricing = _Pricing(run, prices)
    items = [
        *_review(run, dataset, pricing),
        _training(run, dataset, pricing),
        _hosting(run, dataset, pricing),
        *_base_answers(run, dataset, pricing),
        *_judgements(run, dataset, pricing),
    ]
    return Quote(
        items=items,
        monthly=_storage(pricing),
        low_usd=_sum(item.low_usd for item in items),
        expected_usd=_sum(item.expected_usd for item in items),
        high_usd=_sum(item.high_usd for item in items),
        max_cost_usd=run.settings.max_cost_usd,
        assumptions=[*_assumptions(run), *_stand_ins(items)],
    )


@dataclass(frozen=True)
class _Pricing:
    run: Run
    prices: PriceBook

    def of(self, name: PriceField, model: str | None = None) -> Price:
        return self.prices.price(model or self.run.settings.model, self.run.region, name)


def _item(what: str, units: Amounts, price: Price, usd_per_unit: float, unit: str) -> QuoteItem:
    usd = units * usd_per_unit
    how = [_line(units.expected, usd.expected, price, unit)]
    if units.high > units.expected:
        how.append(f"at most {_line(units.high, usd.high, price, unit)}")
    return QuoteItem(
        what=what,
        low_usd=round(usd.low, 6),
        expected_usd=round(usd.expected, 6),
        high_usd=round(usd.high, 6),
        how="; ".join(how),
        price=str(price),
        stand_in=price.is_stand_in,
    )


def _line(units: float, usd: float, price: Price, unit: str) -> str:
    return f"{units:,.0f} {unit} = {dollars(usd)}".replace("{price}", price.amount)


def _review(run: Run, dataset: Dataset, pricing: _Pricing) -> list[QuoteItem]:
    if not run.settings.review_data:
        return []
    asking, answering = (
        pricing.of("input_usd_per_1k_tokens", run.settings.judge_model),
        pricing.of("output_usd_per_1k_tokens", run.settings.judge_model),
    )
    records, most = dataset.training_records, run.settings.max_review_usd
    rates = Rates(asking.usd, answering.usd)
    reviewed = records // step_through(records, dataset.training_tokens, most, rates)
    low, expected, high = quoted_usd(records, dataset.training_tokens, most, rates)
    return [
        QuoteItem(
            what=REVIEW,
            low_usd=round(low, 6),
            expected_usd=round(expected, 6),
            high_usd=round(high, 6),
            how=f"about {reviewed:,} of {records:,} records asked about once = "
            f"{dollars(expected)}; each at most twice, within max_review_usd = {most:g}: "
            f"{dollars(high)}",
            price=f"asking {asking}; answering {answering}",
            stand_in=asking.is_stand_in or answering.is_stand_in,
        )
    ]


def _training(run: Run, dataset: Dataset, pricing: _Pricing) -> QuoteItem:
    price = pricing.of("training_usd_per_1k_tokens")
    epochs = _epochs(run)
    tokens = _training_tokens(dataset)
    earliest = _earliest_stop(run, epochs) / epochs
    units = Amounts(tokens.low * earliest, tokens.expected, tokens.high)
    unit = f"tokens x {epochs} epochs x {{price}} per 1,000"
    return _item("Training", units, price, price.usd * epochs / 1000, unit)


def _training_tokens(dataset: Dataset) -> Amounts:
    """Return the tokens of the training file: nothing published says that validation data bills."""
    most = dataset.training_tokens
    low, usual, _ = _TOKEN_SHARES
    expected = dataset.expected_training_tokens
    if expected is None:
        expected = round(most * usual)
    return Amounts(min(most * low, expected), expected, most)


def _epochs(run: Run) -> int:
    default = find_model(run.settings.model).hyperparameters["epochCount"].default
    return int(run.hyperparameters.get("epochCount", default))


def _earliest_stop(run: Run, epochs: int) -> int:
    """Return the epoch after which training may stop: only a validation loss can stop it early."""
    patience = run.hyperparameters.get("earlyStoppingPatience")
    if patience is None or run.validation_key is None:
        return epochs
    return min(epochs, 1 + int(patience))


def hosting_minutes(run: Run, dataset: Dataset) -> Amounts:
    """Return how long the throughput will live: provisioning, answering and hold.

    The high figure is the time at which the reaper deletes it, whatever happened.
    """
    fast, slow = (
        dataset.evaluation_examples * seconds / _SECONDS_PER_MINUTE for seconds in _ANSWER_SECONDS
    )
    most = run.settings.max_provisioning_minutes + RELEASE_MARGIN_MINUTES
    quick = min(EXPECTED_PROVISIONING_MINUTES + fast, most)
    usual = min(EXPECTED_PROVISIONING_MINUTES + _SLOWER_PROVISIONING_MINUTES + slow, most)
    return Amounts(*(each + run.settings.hold_minutes for each in (quick, usual, most)))


def _hosting(run: Run, dataset: Dataset, pricing: _Pricing) -> QuoteItem:
    price = pricing.of("throughput_usd_per_unit_hour")
    units = "unit" if run.settings.model_units == 1 else "units"
    return _item(
        "Provisioned throughput",
        hosting_minutes(run, dataset),
        price,
        price.usd * run.settings.model_units / 60,
        f"minutes x {run.settings.model_units} {units} x {{price}} an hour",
    )


def _base_answers(run: Run, dataset: Dataset, pricing: _Pricing) -> list[QuoteItem]:
    asked = dataset.evaluation_tokens + dataset.evaluation_examples * _system_tokens(dataset)
    return _tokens(
        "Answers of the base model",
        Amounts(*(asked * share for share in _TOKEN_SHARES)),
        _answer_tokens(run, dataset) * dataset.evaluation_examples,
        pricing,
        run.settings.model,
    )


def _judgements(run: Run, dataset: Dataset, pricing: _Pricing) -> list[QuoteItem]:
    count = dataset.evaluation_examples * _SIDES
    texts = Amounts(*(dataset.evaluation_tokens * _SIDES * share for share in _TOKEN_SHARES))
    instructions = _JUDGE_INSTRUCTION_TOKENS * count
    asked = texts + _answer_tokens(run, dataset) * count
    asked += Amounts(instructions * 0.5, instructions, instructions)
    said = Amounts(*(tokens * count for tokens in _JUDGE_OUTPUT_TOKENS))
    asked, said = asked.at_most(ATTEMPTS), said.at_most(ATTEMPTS)
    return _tokens("Judgements", asked, said, pricing, run.settings.judge_model)


def _answer_tokens(run: Run, dataset: Dataset) -> Amounts:
    """Return the tokens of one answer: about those of question and reference together."""
    most = run.settings.max_answer_tokens
    usual = dataset.evaluation_tokens / max(dataset.evaluation_examples, 1)
    expected = min(max(usual, _SHORT_ANSWER_TOKENS), most)
    return Amounts(min(_SHORT_ANSWER_TOKENS, expected), expected, most)


def _system_tokens(dataset: Dataset) -> int:
    return len((dataset.system_prompt or "").encode(errors="surrogatepass"))


def _tokens(
    what: str, asked: Amounts, said: Amounts, pricing: _Pricing, model: str
) -> list[QuoteItem]:
    per_input = pricing.of("input_usd_per_1k_tokens", model)
    per_output = pricing.of("output_usd_per_1k_tokens", model)
    unit = "tokens x {price} per 1,000"
    return [
        _item(f"{what}, asking", asked, per_input, per_input.usd / 1000, unit),
        _item(f"{what}, answering", said, per_output, per_output.usd / 1000, unit),
    ]


def _storage(pricing: _Pricing) -> QuoteItem:
    price = pricing.of("storage_usd_per_model_month")
    return _item(
        "Custom model, a month", Amounts(1, 1, 1), price, price.usd, "model x {price} a month"
    )


def _assumptions(run: Run) -> list[str]:
    low, expected, _ = _TOKEN_SHARES
    slow = EXPECTED_PROVISIONING_MINUTES + _SLOWER_PROVISIONING_MINUTES
    return [
        f"Tokens are counted from above: expected {expected:.0%} of them, low {low:.0%} (prose).",
        "Expected training tokens are estimated by script and model family.",
        "Low training stops as early as early stopping allows; expected trains every epoch.",
        f"At most, the judge is asked {ATTEMPTS} times about every answer.",
        f"Provisioning takes {EXPECTED_PROVISIONING_MINUTES} minutes (low), {slow} (expected).",
        _high_hosting(run),
        "Tokens of the tuned model are free while its throughput is paid for.",
        "Without tax, S3, Lambda and Step Functions, which come to cents.",
    ]


def _stand_ins(items: Iterable[QuoteItem]) -> list[str]:
    return [
        f"{item.what} has another model's price for want of its own, {item.price}: look yours up "
        "and put it into the environment's [prices.<model>] table."
        for item in items
        if item.stand_in
    ]


def _high_hosting(run: Run) -> str:
    return (
        f"High hosting ends at the release-by: {RELEASE_MARGIN_MINUTES} minutes after "
        f"max_provisioning_minutes = {run.settings.max_provisioning_minutes:g} and hold_minutes = "
        f"{run.settings.hold_minutes}."
    )


def check_ceiling(quote: Quote, model: str) -> None:
    """Refuse a run that could cost more than its ceiling.

    Raises
    ------
    CostCeilingExceeded
        Has the arithmetic and says what makes it cheaper.
    """
    if quote.high_usd <= quote.max_cost_usd:
        return
    arithmetic = "\n".join(f"{item.what}: {item.how}" for item in quote.items)
    raise CostCeilingExceeded(
        f"this run of {model} could cost {dollars(quote.high_usd)} (expected "
        f"{dollars(quote.expected_usd)}), more than max_cost_usd = {quote.max_cost_usd:g}. Nothing "
        f"was bought.\n{arithmetic}\nLower max_provisioning_minutes, hold_minutes, model_units or "
        "epochCount, or have the ceiling of the environment raised"
    )


def text(quote: Quote) -> str:
    """Return the quote as a plain-text table with its arithmetic and its assumptions."""
    rows = [
        ("", "low", "expected", "at most"),
        *(_row(item) for item in quote.items),
        ("Together", dollars(quote.low_usd), dollars(quote.expected_usd), dollars(quote.high_usd)),
    ]
    width = max(len(row[0]) for row in rows)
    figure = max(len(cell) for row in rows for cell in row[1:])
    table = [
        "  ".join([row[0].ljust(width), *(cell.rjust(figure) for cell in row[1:])]) for row in rows
    ]
    how = [f"- {item.what}: {item.how}" for item in [*quote.items, quote.monthly]]
    assumed = [f"- {each}" for each in quote.assumptions]
    return "\n".join(
        [
            *table,
            f"The custom model: {dollars(quote.monthly.expected_usd)} a month until it is deleted.",
            f"Ceiling: max_cost_usd = {quote.max_cost_usd:g}.",
            "",
            "How:",
            *how,
            "",
            "Assumed:",
            *assumed,
        ]
    )


def _row(item: QuoteItem) -> tuple[str, str, str, str]:
    return item.what, dollars(item.low_usd), dollars(item.expected_usd), dollars(item.high_usd)


def dollars(usd: float) -> str:
    """Return an amount with cents, or with enough digits where it is below one."""
    if 0 < usd < _SMALLEST_SHOWN_USD:
        return f"<${_SMALLEST_SHOWN_USD:.4f}"
    return f"${usd:,.2f}" if usd >= 0.01 or usd == 0 else f"${usd:.4f}"  # noqa: PLR2004  # a cent


def _sum(values: Iterable[float]) -> float:
    return round(sum(values), 2)
