"""Lines as JSON: no duplicate key is missed, and what is not JSON is said to be so, and why."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.validation import Findings
from lambdas.validation.jsonl.lines import parse_line

TEXT = st.text(st.characters(codec=None) | st.sampled_from('"\\:,{}[]ué\u3042\n\r'), max_size=6)


def codes_of(line: str) -> list[str]:
    findings = Findings()
    parse_line(line.encode(), findings)
    return [each.code for each in findings.kept]


@pytest.mark.parametrize(
    ("line", "is_repeated"),
    [
        (r'{"a": "b"}', False),
        (r'{"a": "b \"c\" \u0022"}', False),
        (r'{"a": 1, "a": 2}', True),
        (r'{"\u0061": 1, "a": 2}', True),
        (r'{"a": {"b": "hidden"}, "a": 2}', True),
        (r'{"a": "\u0022\u0022", "b": 1, "b": 2}', True),
        (r'{"\\": 1, "\\": 1}', True),
        (r'{"a": "b\\", "c": "d\\", "c": 1}', True),
        ('{"a": "' + "b" * 9000 + '"}', False),
        ('{"a": "' + "b" * 9000 + '", "a": ""}', True),
        ('{"a": ' + "1" * 30 + ', "a": 1}', True),
    ],
)
def test_duplicate_keys_are_found(line: str, *, is_repeated: bool) -> None:
    assert codes_of(line) == ["duplicate-key"] * is_repeated


@given(st.lists(st.tuples(st.sampled_from(["a", "b\\", '"', "é"]), TEXT), max_size=4))
def test_each_repeated_key_is_one_problem(pairs: list[tuple[str, str]]) -> None:
    line = "{" + ",".join(f"{json.dumps(key)}:{json.dumps(text)}" for key, text in pairs) + "}"
    keys = [key for key, _ in pairs]
    repeated = {key for key in keys if keys.count(key) > 1}
    assert codes_of(line) == ["duplicate-key"] * len(repeated)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"é": "b', "Unterminated string starting at character 7"),
        ('{"a": 1,}', "Expecting property name enclosed in double quotes at character 9"),
        ('{"a": NaN}', "NaN is not JSON"),
        ('{"a": ' + "1" * 5000 + "}", "a number has 5000 digits"),
    ],
    ids=["cut off", "comma", "NaN", "long number"],
)
def test_says_why_a_line_is_not_json(line: str, reason: str) -> None:
    findings = Findings()
    assert parse_line(line.encode(), findings) is None
    assert findings.kept[0].message == f"the line is not JSON: {reason}"
