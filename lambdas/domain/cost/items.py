"""The items of a quote: amounts with their prices, and the arithmetic as it is shown."""

from __future__ import annotations

from dataclasses import dataclass

from lambdas.domain.cost.calculator import TokenPrices
from lambdas.domain.cost.price_book import Price
from lambdas.domain.cost.quote import QuoteItem, dollars
from lambdas.domain.evaluation.rubrics import ATTEMPTS, PROSE_SHARES
from lambdas.domain.run.contracts import Dataset, Run

TOKEN_SHARES = (*PROSE_SHARES, 1.0)
_SHORT_ANSWER_TOKENS = 40


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


def priced(what: str, units: Amounts, price: Price, usd_per_unit: float, unit: str) -> QuoteItem:
    usd = units * usd_per_unit
    how = [_arithmetic(units.expected, usd.expected, price, unit)]
    if units.high > units.expected:
        how.append(f"at most {_arithmetic(units.high, usd.high, price, unit)}")
    return QuoteItem(
        what=what,
        low_usd=round(usd.low, 6),
        expected_usd=round(usd.expected, 6),
        high_usd=round(usd.high, 6),
        how="; ".join(how),
        price=str(price),
        stand_in=price.is_stand_in,
        inferred=price.is_inferred,
    )


def _arithmetic(units: float, usd: float, price: Price, unit: str) -> str:
    return f"{units:,.0f} {unit} = {dollars(usd)}".replace("{price}", price.amount)


def token_items(what: str, asked: Amounts, said: Amounts, prices: TokenPrices) -> list[QuoteItem]:
    """Quote what is asked once, and `ATTEMPTS` times at most: a lost answer may be paid for."""
    asked, said = asked.at_most(ATTEMPTS), said.at_most(ATTEMPTS)
    unit = "tokens x {price} per 1,000"
    return [
        priced(f"{what}, input tokens", asked, prices.input, prices.usd(1, 0), unit),
        priced(f"{what}, output tokens", said, prices.output, prices.usd(0, 1), unit),
    ]


def answer_items(what: str, run: Run, dataset: Dataset, prices: TokenPrices) -> list[QuoteItem]:
    """Quote every question, put to one of the two models."""
    system = dataset.evaluation_examples * _system_tokens(dataset)  # which general ones lack
    tokens = dataset.asked_tokens + system
    return _answer_items(what, run, dataset, prices, tokens=tokens, questions=dataset.asked)


def other_answer_items(
    what: str, run: Run, dataset: Dataset, prices: TokenPrices, *, before: int
) -> list[QuoteItem]:
    """Quote every evaluation question, put to another model; `before`: tokens before each."""
    questions = dataset.evaluation_examples
    tokens = dataset.evaluation_tokens + questions * (_system_tokens(dataset) + before)
    return _answer_items(what, run, dataset, prices, tokens=tokens, questions=questions)


def _answer_items(  # noqa: PLR0913  # keyword-only, what is asked
    what: str, run: Run, dataset: Dataset, prices: TokenPrices, *, tokens: int, questions: int
) -> list[QuoteItem]:
    texts = Amounts(*(tokens * share for share in TOKEN_SHARES))
    said = answer_tokens(run, dataset) * questions
    return token_items(what, texts, said, prices)


def answer_tokens(run: Run, dataset: Dataset) -> Amounts:
    """Return the tokens of one answer: about those of question and reference together."""
    most = run.settings.max_answer_tokens
    usual = dataset.asked_tokens / max(dataset.asked, 1)
    expected = min(max(usual, _SHORT_ANSWER_TOKENS), most)
    return Amounts(min(_SHORT_ANSWER_TOKENS, expected), expected, most)


def _system_tokens(dataset: Dataset) -> int:
    return len((dataset.system_prompt or "").encode(errors="surrogatepass"))
