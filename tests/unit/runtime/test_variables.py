"""A function's environment variables: typed, parsed once, and read in one place."""

from __future__ import annotations

from pathlib import Path

import pytest

from lambdas.domain.run.variables import PriceVariables, ReapLeftoversVariables
from lambdas.runtime.step import variables_of


def test_variables_are_typed_and_parsed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRICE_OVERRIDES", '{"a": {"b": 2.5}}')
    variables = variables_of(PriceVariables)
    assert variables.price_overrides == {"a": {"b": 2.5}}
    monkeypatch.setenv("PRICE_OVERRIDES", "{}")
    assert variables_of(PriceVariables) is variables


def test_an_error_names_every_variable_that_is_missing_or_malformed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PRICE_OVERRIDES", "{")
    with pytest.raises(RuntimeError, match="TOPIC_ARN: Field required") as refused:
        variables_of(ReapLeftoversVariables)
    assert "PRICE_OVERRIDES: Invalid JSON" in str(refused.value)


def test_variables_are_read_in_one_place() -> None:
    reading = {
        path.as_posix()
        for path in Path("lambdas").rglob("*.py")
        if any(name in path.read_text(encoding="utf-8") for name in ("os.environ", "os.getenv"))
    }
    assert reading == {"lambdas/runtime/step.py"}
