"""Every error that ends a run has its line in the runbook, and Lambda's own have words."""

from __future__ import annotations

import inspect

import pytest

from lambdas.domain import errors
from lambdas.domain.errors import DEATHS
from stacks.constructs.retries import DIED
from tests.repository import ROOT

RUNBOOK = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
OURS = {
    name
    for name, each in inspect.getmembers(errors, inspect.isclass)
    if issubclass(each, Exception) and each is not errors.TuningError
}


@pytest.mark.parametrize("name", sorted({*OURS, *DEATHS}))
def test_the_runbook_says_what_to_do(name: str) -> None:
    assert f"`{name}`" in RUNBOOK


def test_what_is_retried_as_a_death_has_words() -> None:
    assert {*DIED.errors} <= {*DEATHS}
