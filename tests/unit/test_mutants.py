"""The list of `make mutants` follows the product: a line that has changed is noticed at once."""

import re

import pytest

from tests.mutants.mutant import Mutant, MutantOutdated, load
from tests.repository import ROOT

MUTANTS = load(ROOT / "tests" / "mutants" / "mutants.toml")
LINE = Mutant("area", "fault", "a.py", "x = 1", "x = 2", [])


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: re.sub(r"\W+", "-", mutant.fault))
def test_a_mutant_breaks_a_line_as_it_stands_and_names_its_tests(mutant: Mutant) -> None:
    mutant.apply((ROOT / mutant.file).read_text(encoding="utf-8"))
    assert mutant.tests
    assert [test for test in mutant.tests if not (ROOT / test).exists()] == []


def test_one_line_is_replaced_within_its_indentation() -> None:
    assert LINE.apply("if y:\n    x = 1\nx = 10\n") == "if y:\n    x = 2\nx = 10\n"


@pytest.mark.parametrize("text", ["x = 10\n", "x = 1\nx = 1\n", "x = 1\n)\n"])
def test_a_list_that_is_out_of_date_is_noticed(text: str) -> None:
    with pytest.raises(MutantOutdated):
        LINE.apply(text)
