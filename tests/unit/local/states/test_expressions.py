"""JSONata as Step Functions has it: version 2.0.6, and functions of its own."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from local.states import expressions as module
from local.states.expressions import ExpressionFailed, Expressions

NOW = 1_790_000_000.0


def value(engine: Expressions, expression: str, **variables: Any) -> Any:
    return engine.fill(f"{{% {expression} %}}", variables, now=NOW, where="Output")


VALUES = [
    # What libraries in other languages make something else of.
    ("$count(null)", 1),
    ("5.5 % 2", 1.5),
    ("$string(1e20)", "100000000000000000000"),
    ("$power(2, 100)", 1.2676506002282294e30),
    ("$v.five", 5),
    ("$match('é', /\\w/) ~> $count", 0),
    ("$replace('abc', /(b)/, '$$1')", "a$1c"),
    ("$exists($v.nothing)", True),
    ("$exists($v.missing)", False),
    ("$v.items[id = 2].tags", ["b", "c"]),
    ("$v.items[id = 1].tags", ["a"]),
    ("$v.nothing", None),
    # Step Functions' own.
    ("$parse('{\"a\": 1.0}')", {"a": 1}),
    ("$millis()", NOW * 1000),
    ("$now()", "2026-09-21T14:13:20.000Z"),
]
GIVEN = {
    "five": 5.0,
    "nothing": None,
    "items": [{"id": 1, "tags": ["a"]}, {"id": 2, "tags": ["b", "c"]}],
}


@pytest.mark.parametrize(("expression", "expected"), VALUES)
def test_values(expressions: Expressions, expression: str, expected: Any) -> None:
    assert value(expressions, expression, v=GIVEN) == expected


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("$v.missing", "returned nothing (undefined)."),
        ("1/0", "returned an unsupported result type."),
        ("$sum", "returned an unsupported result type."),
        ("[$sum]", "returned an unsupported result type."),
        ("$fn := function($x){$x}", "returned an unsupported result type."),
        ("$number(' 12 ')", "D3030"),
        ("$sort([1, 'a'])", "D3070"),
        ("$toMillis('2017-11-07 15:12:37')", "D3110"),
        ("$replace('abc', /x*/, '-')", "D1004"),
        ("$eval('1')", "T1006"),
        ("$uuid()", "$uuid is not played offline"),
        ("($draw := $shuffle; $draw([1..9]))", "T1006"),
        ("$parse('nope')", "threw an error during evaluation."),
    ],
)
def test_failures_in_the_words_of_aws(expressions: Expressions, expression: str, said: str) -> None:
    with pytest.raises(ExpressionFailed) as failed:
        value(expressions, expression, v=GIVEN)
    assert said in str(failed.value)
    assert f"The JSONata expression '{expression}' specified for the field" in str(failed.value)


def test_only_whole_strings_are_expressions_and_each_tells_its_field(
    expressions: Expressions,
) -> None:
    template = {"a": ["{% 1 + 1 %}", "{% no", "no %} {% no"], "b": 1}
    filled = expressions.fill(template, {}, now=NOW, where="Output")
    assert filled == {"a": [2, "{% no", "no %} {% no"], "b": 1}
    with pytest.raises(ExpressionFailed, match=r"'Output/a\[1\]'") as failed:
        expressions.fill({"a": [1, "{% $x %}"]}, {}, now=NOW, where="Output")
    assert failed.value.where == "Output/a[1]"


def test_a_definition_is_checked_while_executions_run(expressions: Expressions) -> None:
    """From another thread: each gets its own answer."""
    stopped = threading.Event()

    def check() -> None:
        while not stopped.is_set():
            assert expressions.problem("1 + 1") is None

    checking = threading.Thread(target=check)
    checking.start()
    assert [value(expressions, f"{n} + 1") for n in range(300)] == [*range(1, 301)]
    stopped.set()
    checking.join()


@pytest.mark.slow
def test_an_expression_without_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PATIENCE_SECONDS", 0.5)
    engine = Expressions()
    value(engine, "1")  # it has started
    with pytest.raises(ExpressionFailed, match="no value within"):
        value(engine, "($f := function($n) { $f($n + 1) }; $f(1))")
    monkeypatch.undo()
    assert value(engine, "1 + 1") == 2
    engine.stop()
