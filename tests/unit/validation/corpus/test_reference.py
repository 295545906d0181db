"""The validator finds what the slow reference finds, whatever the bytes, however they are cut."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from benchmarks.fuzz_validation import Maker, fuzz
from lambdas.domain.models.catalogue import MODELS
from lambdas.domain.models.model import Model
from lambdas.validation import CODES
from lambdas.validation.check import check
from tests.fakes.bytes_source import BytesSource
from tests.unit.validation.corpus.agreement import Cuts, cut, disagreement
from tests.unit.validation.corpus.corpus import ONE_OF_EACH, Case, Expected
from tests.unit.validation.corpus.corpus_all import CASES, by_group
from tests.unit.validation.corpus.mutations import broken
from tests.unit.validation.corpus.reference import judge

pytestmark = pytest.mark.slow

MODEL = pytest.mark.parametrize("model", ONE_OF_EACH, ids=lambda model: model.key)
CUTS = st.builds(
    Cuts,
    range_bytes=st.integers(1, 400),
    max_line_bytes=st.sampled_from([80, 4 * 1024**2]),
)
MOST_BYTES = 30_000  # of a file that is given to the reference, which takes its time
SMALL = [case for case in CASES if len(case.content) < MOST_BYTES]
SEEDS = {
    model.key: [case.own for case in SMALL if case.model == model and len(case.own) < 1500]
    for model in ONE_OF_EACH
}


def by_reference(case: Case) -> list[Expected]:
    return sorted(
        Expected(each.line, each.code, each.field, each.severity)
        for each in judge(case.model, case.files).found
        if each.file == case.kind
    )


def expected(case: Case) -> list[Expected]:
    beyond = {"bad-key", "maybe-too-many-tokens"}  # of names and of estimates
    return sorted(each for each in case.found if each.code not in beyond)


@pytest.mark.parametrize("group", by_group().values(), ids=by_group())
def test_the_reference_finds_what_the_corpus_says(group: Sequence[Case]) -> None:
    for case in group:
        if len(case.content) < MOST_BYTES:
            assert by_reference(case) == expected(case), case.name


def test_the_corpus_has_every_error() -> None:
    found = {each.code for case in CASES for each in case.found if each.severity == "error"}
    assert found == {name for name, code in CODES.items() if code.severity == "error"} - {
        "file-too-large",  # no small file is
        "does-not-fit",  # no short question does not
        "answer-schema",  # the corpus has no schema of its answers, as of the next
        "not-of-schema",
    }


@MODEL
@settings(max_examples=50)
@given(rng=st.randoms(use_true_random=False), cuts=CUTS)
def test_agrees_on_broken_files(model: Model, rng: Random, cuts: Cuts) -> None:
    content = broken(rng, SEEDS[model.key])
    assert not disagreement(model, {"training": content}, cuts)


@MODEL
@settings(max_examples=40)
@given(content=st.binary(max_size=300), cuts=CUTS)
@example(content=b"", cuts=Cuts())
@example(content=b"\r", cuts=Cuts())
@example(content=b"\xef\xbb\xbf\r\n\r", cuts=Cuts(1, 1))
@example(content=b"{\x00", cuts=Cuts())
def test_agrees_on_any_bytes(model: Model, content: bytes, cuts: Cuts) -> None:
    good = b"{}\n"
    assert not disagreement(model, {"training": content, "evaluation": content}, cuts)
    assert not disagreement(model, {"training": good, "validation": content}, cuts)


def whole_corpus(model: Model) -> bytes:
    return b"\n".join(SEEDS[model.key] * 3)


@MODEL
@pytest.mark.parametrize("range_bytes", [97, 1000, 8192])
def test_agrees_however_the_whole_corpus_is_cut(model: Model, range_bytes: int) -> None:
    assert not disagreement(model, {"training": whole_corpus(model)}, Cuts(range_bytes))


def report_of(model: Model, cuts: Cuts) -> dict[str, Any]:
    content = whole_corpus(model)[:12_000]
    training, validation = BytesSource("training", content), BytesSource("validation", content)
    with cut(cuts):
        return check(model, training, validation).as_json()


@MODEL
def test_the_whole_report_is_the_same_however_files_are_cut(model: Model) -> None:
    whole = report_of(model, Cuts())
    assert report_of(model, Cuts(range_bytes=777)) == whole


@pytest.mark.parametrize("model", MODELS.values(), ids=lambda model: model.key)
def test_agrees_on_every_models_limits_and_words(model: Model) -> None:
    content = b"\n".join(
        case.own
        for case in SMALL
        if case.model.record_format == model.record_format and len(case.own) < 1500
    )
    assert not disagreement(model, {"training": content, "validation": content})


def test_a_short_fuzz_run_finds_nothing() -> None:
    wrong = [(number, why) for number, _, why in fuzz(Maker(seed=0), range(600)) if why]
    assert wrong == []
