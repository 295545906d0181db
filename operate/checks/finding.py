"""A line of `make doctor`, and what the checks that make them are given."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import boto3

from stacks.environment import Environment
from stacks.names import Names


class Verdict(StrEnum):
    OK = "ok"
    NOTE = "note"  # worth knowing; nothing to do
    FIX = "FIX"  # a run or a deployment fails, or costs more, until it is done
    UNKNOWN = "?"  # AWS did not say


@dataclass(frozen=True)
class Finding:
    """What AWS said of one thing, and what that means or asks for."""

    verdict: Verdict
    what: str
    found: str
    means: str = ""


@dataclass(frozen=True)
class Account:
    """The account and region that are looked at, for one environment, at one time."""

    environment: Environment
    number: str
    now: datetime

    @property
    def region(self) -> str:
        return self.environment.region

    @property
    def names(self) -> Names:
        return Names(self.environment.name)

    def client(self, service: str) -> Any:  # noqa: ANN401  # each service has a type of its own
        return boto3.client(service, region_name=self.region)  # type: ignore[call-overload]  # a str


@dataclass(frozen=True)
class Check:
    """A question; `what` names it where AWS does not answer."""

    what: str
    ask: Callable[[Account], Iterable[Finding]]


def code_of(error: Exception) -> str:
    """Return AWS's word for an error, or the class of any other."""
    response: dict[str, Any] = getattr(error, "response", None) or {}  # None where none came
    return str(response.get("Error", {}).get("Code") or type(error).__name__)
