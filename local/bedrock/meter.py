"""What would have been billed: throughput by the minute, training and inference by the token."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

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

    def usd(self, now: float) -> float | None:
        if self.usd_per_unit_hour is None:
            return None
        return self.minutes(now) / 60 * self.units * self.usd_per_unit_hour

    @property
    def price(self) -> str:
        if self.usd_per_unit_hour is None:
            return "a price that is not published"
        return f"${self.usd_per_unit_hour:g} an hour"


@dataclass
class Stay:
    """A deployment's time in the account, in epoch seconds; it costs nothing by itself."""

    arn: str
    name: str
    created: float
    deleted: float | None = None


class Meter:
    """Records usage; `bill` prices it."""

    def __init__(self) -> None:
        self.leases: list[Lease] = []
        self._deployed: dict[str, Stay] = {}
        self._training: list[tuple[str, int, float | None]] = []
        self._inference: dict[tuple[str, TokenPrice | None], tuple[int, int]] = {}

    def train(self, model: str, tokens: int, usd_per_1k: float | None) -> None:
        self._training.append((model, tokens, usd_per_1k))

    def infer(self, what: str, price: TokenPrice | None, tokens: tuple[int, int]) -> None:
        """Add a request's input and output tokens; price None: none is published."""
        heard, said = self._inference.get((what, price), (0, 0))
        self._inference[what, price] = heard + tokens[0], said + tokens[1]

    def deploy(self, arn: str, name: str, now: float) -> None:
        self._deployed[arn] = Stay(arn, name, created=now)

    def undeploy(self, arn: str, now: float) -> None:
        self._deployed[arn].deleted = now

    @property
    def deployed(self) -> list[dict[str, Any]]:
        """Every deployment that there is or was, as plain JSON."""
        return [asdict(each) for each in self._deployed.values()]

    def end(self, arn: str, now: float) -> None:
        for lease in self.leases:
            if lease.arn == arn and lease.ended is None:
                lease.ended = now

    def bill(self, now: float) -> dict[str, Any]:
        """Return the items (usd None: no published price), their sum in USD, and the minutes."""
        items = [*self._lease_items(now), *self._training_items(), *self._inference_items()]
        total = sum(item["usd"] for item in items if item["usd"] is not None)
        minutes = sum(lease.minutes(now) for lease in self.leases)
        return {"items": items, "total_usd": round(total, 4), "throughput_minutes": minutes}

    def _lease_items(self, now: float) -> list[dict[str, Any]]:
        return [
            {
                "what": f"provisioned throughput of {lease.model}, {lease.units} unit(s) at "
                f"{lease.price}",
                "quantity": round(lease.minutes(now), 1),
                "unit": "minutes",
                "usd": lease.usd(now),
            }
            for lease in self.leases
        ]

    def _training_items(self) -> list[dict[str, Any]]:
        return [
            {
                "what": f"training of {model}",
                "quantity": tokens,
                "unit": "tokens",
                "usd": None if price is None else tokens / 1000 * price,
            }
            for model, tokens, price in self._training
        ]

    def _inference_items(self) -> list[dict[str, Any]]:
        return [
            {
                "what": f"inference of {what}",
                "quantity": sum(tokens),
                "unit": "tokens",
                "usd": price.usd(*tokens) if price else None,
            }
            for (what, price), tokens in self._inference.items()
        ]
