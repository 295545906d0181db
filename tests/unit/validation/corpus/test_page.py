from __future__ import annotations

from docs.generate_dataset_validation import PAGE, main, page
from lambdas.validation import CODES
from tests.unit.validation.corpus.corpus_all import CASES


def test_the_table_of_codes_is_up_to_date() -> None:
    assert main(["--check"]) is None


def test_the_page_names_every_code() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert [name for name in CODES if f"| `{name}` |" not in text] == []
    assert page(text.replace("| `not-json` |", "")) == text


def test_the_page_counts_the_corpus() -> None:
    good = sum(each.is_good for each in CASES)
    assert f"{len(CASES)} datasets, of which {good} are good" in PAGE.read_text(encoding="utf-8")
