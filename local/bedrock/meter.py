"""What would have been billed: throughput by the minute, training and inference by the token."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Item = dict[str, Any]  # of the bill
_MINUTE_SECONDS = 60.0


@dataclass(frozen=True)
class TokenPrice:
    """US dollars for a million tokens."""

    input: float
    output: float

    def usd(self, input_tokens: int, output_tokens: int) -> float:
        return (input_tokens * self.input + output_tokens * self.output) / 1e6


INCLUDED = TokenPrice(0.0, 0.0)  # in the hour of a throughput


@dataclass
class Lease:
    """A throughput's time on the meter.

    It is counted from the purchase: AWS's text is silent on the minutes of provisioning, and the
    higher reading is the safe one for a quote.
    """

    arn: str
    model: str
    units: int
    usd_per_unit_hour: float | None
    bought: float
    ended: float | None = None

    def minutes(self, now: float) -> float:
        return ((self.ended if self.ended is not None else now) - self.bought) / _MINUTE_SECONDS

    def item(self, now: float) -> Item:
        """Return it as the bill has it."""
        minutes, usd = self.minutes(now), self.usd_per_unit_hour
        price = "a price that is not published" if usd is None else f"${usd:g} an hour"
        what = f"provisioned throughput of {self.model}, {self.units} unit(s) at {price}"
        billed = None if usd is None else minutes / 60 * self.units * usd
        return _item(what, round(minutes, 1), "minutes", billed)


class Meter:
    """Records usage; `bill` prices it."""

    def __init__(self) -> None:
        self.leases: list[Lease] = []
        # Each that there is or was, by ARN, in epoch seconds; by itself it costs nothing.
        self.deployed: dict[str, dict[str, Any]] = {}
        self._training: list[Item] = []
        self._inference: dict[tuple[str, TokenPrice | None], tuple[int, int]] = {}

    def train(self, model: str, tokens: int, usd_per_1k: float | None) -> None:
        usd = None if usd_per_1k is None else tokens / 1000 * usd_per_1k
        self._training.append(_item(f"training of {model}", tokens, "tokens", usd))

    def infer(self, what: str, price: TokenPrice | None, tokens: tuple[int, int]) -> None:
        """Add a request's input and output tokens; price None: none is published."""
        heard, said = self._inference.get((what, price), (0, 0))
        self._inference[what, price] = heard + tokens[0], said + tokens[1]

    def deploy(self, arn: str, name: str, now: float) -> None:
        self.deployed[arn] = {"arn": arn, "name": name, "created": now, "deleted": None}

    def end(self, arn: str, now: float) -> None:
        for lease in self.leases:
            if lease.arn == arn and lease.ended is None:
                lease.ended = now

    def bill(self, now: float) -> dict[str, Any]:
        """Return the items (usd None: no published price), their sum in USD, and the minutes."""
        items = [lease.item(now) for lease in self.leases] + self._training
        for (what, price), tokens in self._inference.items():
            usd = price.usd(*tokens) if price else None
            items.append(_item(f"inference of {what}", sum(tokens), "tokens", usd))
        total = sum(item["usd"] for item in items if item["usd"] is not None)
        minutes = sum(lease.minutes(now) for lease in self.leases)
        return {"items": items, "total_usd": round(total, 4), "throughput_minutes": minutes}


def _item(what: str, quantity: float, unit: str, usd: float | None) -> Item:
    return {"what": what, "quantity": quantity, "unit": unit, "usd": usd}
