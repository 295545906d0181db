"""A run's quote as it is kept under the run's prefix, mailed, and held against the ceiling."""

from __future__ import annotations

import json
from collections.abc import Mapping

from lambdas.domain.cost.price_book import PriceField
from lambdas.domain.errors import CostCeilingExceeded
from lambdas.domain.models.model import HostingKind
from lambdas.domain.run.contracts import Contract

_SMALLEST_SHOWN_USD = 0.0001
# What bills, as the items are called; those of tokens add ", input tokens" or ", output tokens".
SCREENING = "Personal data"
REVIEW = "Review of the training data"
TRAINING = "Training"
HOSTING = "Provisioned throughput"
BASE_ANSWERS = "Answers of the base model"
TUNED_ANSWERS = "Answers of the tuned model"  # where they bill by the token
JUDGEMENTS = "Judgements"


def answers_of(name: str) -> str:
    """Return the kind of item that the answers of another model are."""
    return f"Answers of {name}"


class QuoteItem(Contract):
    """One thing that bills; `how` has the arithmetic of the expected and the high figure."""

    what: str
    low_usd: float
    expected_usd: float
    high_usd: float
    how: str
    price: str  # with its source and date
    stand_in: bool = False  # the price is another model's, in place of its own
    inferred: bool = False  # the price is its base model's, in place of its own

    @property
    def kind(self) -> str:
        """What bills: both items of a model's tokens are of one kind."""
        return self.what.partition(",")[0]


class QuotedHosting(Contract):
    """What a kind of hosting costs the run, in US dollars; without a price it has no items."""

    kind: HostingKind
    items: list[QuoteItem]
    usd_per_hour: float  # while it is there, all model units together
    missing_prices: tuple[PriceField, ...] = ()
    problem: str | None = None  # why the account cannot have it now

    @property
    def expected_usd(self) -> float:
        return sum(item.expected_usd for item in self.items)

    @property
    def high_usd(self) -> float:
        return sum(item.high_usd for item in self.items)


class Quote(Contract):
    """A run's cost in US dollars, without tax; `monthly` goes on after the run."""

    items: list[QuoteItem]
    monthly: QuoteItem | None  # None: an earlier run's model, which is stored already
    dataset_sha256: str  # of what is quoted, see `Dataset`
    low_usd: float
    expected_usd: float
    high_usd: float
    max_cost_usd: float
    hyperparameters: dict[str, str]  # see `QuotedCost`
    hyperparameter_reasons: dict[str, str]
    epochs: int  # 0: nothing is trained
    hosting: QuotedHosting | None  # the kind that was chosen; `items` has its items
    hosting_reason: str  # one sentence: why this kind, and what the others would cost
    other_hosting: list[QuotedHosting]
    assumptions: list[str]

    @property
    def hosting_usd_per_hour(self) -> float:
        return self.hosting.usd_per_hour if self.hosting else 0


def as_bytes(quote: Quote) -> bytes:
    """Return what quote.json holds, and an approval is bound to."""
    return (json.dumps(quote.model_dump(mode="json"), indent=2) + "\n").encode()


def check_ceiling(quote: Quote, model: str, savings: Mapping[str, float]) -> None:
    """Refuse a run that could cost more than its ceiling.

    `savings` has the most that the run could cost after each change that lowers it, in US dollars.

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
        f"was bought.\n{arithmetic}\nHosting is {quote.hosting_reason}.\n{_advice(savings)}"
    )


def _advice(savings: Mapping[str, float]) -> str:
    cheaper = sorted(savings.items(), key=lambda saving: saving[1])
    listed = "; ".join(f"{change} makes that {dollars(usd)}" for change, usd in cheaper)
    raised = "have max_cost_usd of the environment raised, or choose a cheaper model"
    return f"What lowers it: {listed}. Or {raised}" if listed else f"No field lowers it: {raised}"


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
    monthly = [quote.monthly] if quote.monthly else []
    how = [f"- {item.what}: {item.how}" for item in [*quote.items, *monthly]]
    assumed = [f"- {each}" for each in quote.assumptions]
    trained = [
        f"- {name} = {value}: {quote.hyperparameter_reasons[name]}"
        for name, value in quote.hyperparameters.items()
    ]
    return "\n".join(
        [
            *table,
            *(
                f"The custom model: {dollars(item.expected_usd)} a month until it is deleted."
                for item in monthly
            ),
            f"Hosting is {quote.hosting_reason}.",
            f"Ceiling: max_cost_usd = {quote.max_cost_usd:g}.",
            f"For the dataset with the SHA-256 {quote.dataset_sha256}.",
            *(["", "Hyperparameters:", *trained] if trained else []),
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
