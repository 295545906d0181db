"""The fast path: both parsers give the same findings, and no duplicate key is missed."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.domain.models.catalogue import CLAUDE_3_HAIKU
from lambdas.validation import KEPT_PER_CODE, BytesSource, Options, check, scan
from lambdas.validation.formats.conversation import make_record
from lambdas.validation.formats.fast_path import is_clean_of, shape_of
from lambdas.validation.jsonl import blocks
from lambdas.validation.jsonl.duplicate_keys import count_strings, has_unique_keys
from lambdas.validation.jsonl.parsers import JITER, ORJSON, Parser, fastest_parser
from tests.unit.validation.corpus.agreement import disagreement
from tests.unit.validation.corpus.corpus import ONE_OF_EACH, Case
from tests.unit.validation.corpus.corpus_all import by_group

MOST_BYTES = 30_000  # of a file that is given to the slow reference
PARSERS = {"jiter": JITER, "orjson": ORJSON}
JAPANESE = json.dumps({"prompt": "学習データの各行は記録です。" * 30}).encode()
TEXT = st.text(st.characters(codec=None) | st.sampled_from('"\\:,{}[]ué\u3042\n\r'), max_size=6)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


def parse(parser: Parser, line: bytes) -> tuple[object, bool]:
    """Return the value or the error, and whether the parser proves that nothing was dropped."""
    try:
        return parser.load(line), parser.finds_duplicate_keys
    except ValueError as error:
        return error, False


@pytest.mark.parametrize(
    ("line", "parser"),
    [
        (JAPANESE, ORJSON),
        ("学習データの各行は記録です。".encode() * 100, JITER),
        (b'{"prompt": "a \\"quoted\\" word\\n"}' * 100, JITER),
        (b"", JITER),
    ],
    ids=["escaped", "UTF-8", "ASCII", "nothing"],
)
def test_lines_go_to_the_parser_that_is_fast_on_them(line: bytes, parser: Parser) -> None:
    assert fastest_parser(line, len(line)) is parser


@pytest.mark.slow
@pytest.mark.parametrize("parser", PARSERS.values(), ids=PARSERS)
@pytest.mark.parametrize("group", by_group().values(), ids=by_group())
def test_either_parser_gives_the_same_findings(
    group: Sequence[Case], parser: Parser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan, "fastest_parser", lambda *_: parser)
    for case in group:
        if len(case.content) < MOST_BYTES:
            assert not disagreement(case.model, case.files), case.name


@given(VALUES)
def test_either_parser_gives_the_value_or_says_that_it_cannot(value: object) -> None:
    line = json.dumps(value).encode()
    for parser in PARSERS.values():
        found, is_complete = parse(parser, line)
        if is_complete or (not isinstance(found, ValueError) and count_strings(found) is not None):
            assert json.dumps(found) == json.dumps(value)


@given(value=VALUES, at=st.integers(0, 99), change=st.binary(max_size=2))
def test_no_parser_takes_what_is_no_json(value: object, at: int, change: bytes) -> None:
    line = bytearray(json.dumps(value).encode())
    line[at : at + 1] = change
    for parser in PARSERS.values():
        found, _ = parse(parser, bytes(line))
        if not isinstance(found, ValueError):
            json.loads(line.decode())


@pytest.mark.parametrize(
    ("line", "hides_nothing"),
    [
        (r'{"a": "b"}', True),
        (r'{"a": "b \"c\" \u0022"}', True),
        (r'{"a": 1, "a": 2}', False),
        (r'{"\u0061": 1, "a": 2}', False),
        (r'{"a": {"b": "hidden"}, "a": 2}', False),
        (r'{"a": "\u0022\u0022", "b": 1, "b": 2}', False),
        (r'{"\\": 1, "\\": 1}', False),
        (r'{"a": "b\\", "c": "d\\", "c": 1}', False),
        ('{"a": "' + "b" * 9000 + '"}', True),
        ('{"a": "' + "b" * 9000 + '", "a": ""}', False),
        ("[" * 300 + "]" * 300, False),
        ("{" + '"a": ' + "1" * 30 + ', "a": 1}', False),
    ],
)
def test_quotes_prove_that_nothing_is_hidden(line: str, *, hides_nothing: bool) -> None:
    value, _ = parse(ORJSON, line.encode())
    assert has_unique_keys(line.encode(), value, count_strings(value)) is hides_nothing
    _, is_complete = parse(JITER, line.encode())
    assert is_complete is hides_nothing


@given(st.lists(st.tuples(st.sampled_from(["a", "b\\", '"', "é"]), TEXT), max_size=4))
def test_what_stands_twice_is_never_taken_for_all(pairs: list[tuple[str, str]]) -> None:
    line = "{" + ",".join(f"{json.dumps(key)}:{json.dumps(text)}" for key, text in pairs) + "}"
    value, _ = parse(ORJSON, line.encode())
    if isinstance(value, dict) and len(value) < len(pairs):
        assert not has_unique_keys(line.encode(), value, count_strings(value))


def test_the_shape_counts_a_lines_strings() -> None:
    for model in ONE_OF_EACH:
        for system in (None, "S"):
            record = make_record(model.record_format, system, "Q", "A")
            shape = shape_of(model.record_format)(record)
            assert shape is not None
            assert shape[3] == count_strings(record)
            assert is_clean_of(model, warnings=True)(shape)


def test_a_shape_with_wrong_roles_is_not_clean() -> None:
    is_clean = is_clean_of(CLAUDE_3_HAIKU, warnings=False)
    assert not is_clean((None, ["user", "user"], ["Q", "A"], 0))
    assert not is_clean((None, ["user", "assistant", "user"], ["Q", "A", "Q"], 0))
    assert not is_clean((None, ["user", "assistant"], ["Q", "\nHuman: A"], 0))
    assert not is_clean(("\nHuman:", ["user", "assistant"], ["Q", "A"], 0))
    assert is_clean(("S", ["user", "assistant"] * 2, ["Q", "A"] * 2, 0))


def test_problems_beyond_the_cap_are_counted_wherever_ranges_are_cut(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(blocks, "RANGE_BYTES", 2000)
    wrong = [{"role": "human", "content": "Q"}, {"role": "assistant", "content": "A"}]
    lines = 3 * KEPT_PER_CODE
    content = (json.dumps({"messages": wrong}) + "\n{\n") * lines
    report = check(
        CLAUDE_3_HAIKU, BytesSource("t", content.encode()), options=Options(warnings=False)
    )
    for code, first in (("role", 1), ("not-json", 2)):
        kept = [each.line for each in report.findings.kept if each.code == code]
        assert kept == [first + 2 * at for at in range(KEPT_PER_CODE)]
        assert report.findings.counts["t", code, "error"] == lines
