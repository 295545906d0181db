"""Compares two texts by words, regardless of spelling, line breaks and inflection."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator

from lambdas.validation.warnings.topics import STOP_WORDS

_LEAST_WORD = 3  # letters; shorter words carry little meaning
_STEM, _ENDING = 4, 3  # letters of the shortest stem, and those that inflection may change
_LEAST_NUMBER = 2  # digits; shorter numbers are also written as words
_DENSE = "\u0e00-\u0e7f\u1100-\u11ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3\uf900-\ufaff"
_RUN = re.compile(rf"[{_DENSE}]+|[^\W\d_{_DENSE}]+")  # of a script without spaces, or with
_IS_DENSE = re.compile(rf"[{_DENSE}]")
_GRAMMAR = re.compile(r"[\u3040-\u309f]+")  # hiragana: endings and particles
_NUMBER = re.compile(r"\d(?:[\d.,]*\d)?")


def squeezed(text: str) -> str:
    """Reduce a text to its letters and digits, to find a quote in it.

    Line breaks of a PDF, Markdown's marks and a model's choice of quotation marks then make no
    difference.
    """
    return re.sub(r"[\W_]+", "", _plain(text))


def terms(text: str) -> set[str]:
    """Return the text's content words; in a script without spaces, its letter pairs."""
    return {term for run in _RUN.findall(_plain(text)) for term in _terms_of(run)}


def numbers(text: str) -> set[str]:
    """Return the digits of each number with two or more."""
    found = (re.sub(r"\D", "", number).lstrip("0") for number in _NUMBER.findall(_plain(text)))
    return {digits for digits in found if len(digits) >= _LEAST_NUMBER}


def covered(wanted: Iterable[str], text: str) -> float:
    """Return the share of terms that a text has, whatever their endings; 1 if there are none."""
    words = " ".join(("", *terms(text)))
    stems = (term[: max(_STEM, len(term) - _ENDING)] for term in wanted)
    found = [f" {stem}" in words for stem in stems]
    return sum(found) / len(found) if found else 1.0


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def _terms_of(run: str) -> Iterator[str]:
    if _IS_DENSE.match(run):
        pairs = (run[at : at + 2] for at in range(max(1, len(run) - 1)))
        yield from (pair for pair in pairs if not _GRAMMAR.fullmatch(pair))
    elif len(run) >= _LEAST_WORD and run not in STOP_WORDS:
        yield run
