"""General tasks that any model can do, computed: what may be forgotten in tuning.

Arithmetic, units, words and lists, days and numbers, in English; arithmetic in Japanese too.
"""

from __future__ import annotations

import ast
import itertools
import json
import operator
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping
from fractions import Fraction

_Words = re.Match[str]
_NUMBER = r"(-?\d+(?:\.\d+)?)"
_QUOTED = r"['\"\u2018\u2019\u201c\u201d]?([^\W\d_]+)['\"\u2018\u2019\u201c\u201d]?"
_LETTER = r"['\"\u2018\u201c]?(\w)['\"\u2019\u201d]?"
_OPERATORS: Mapping[type[ast.operator], Callable[[Fraction, Fraction], Fraction]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_SPOKEN = {
    r"\bplus\b|足す|たす|\u30d7\u30e9\u30b9": "+",
    r"\bminus\b|引く|ひく|[\u2212\u2013]": "-",
    r"\btimes\b|\bmultiplied by\b|[\u00d7\u00b7]|掛ける|かける|(?<=\d) ?x ?(?=\d)": "*",
    r"\bdivided by\b|[\u00f7]|割る|わる": "/",
    r"(?<=\d),(?=\d{3}\b)": "",
}
_AROUND_A_SUM = re.compile(
    r"\b(?:what|how|much|is|the|result|value|of|calculate|compute|work|out|solve|evaluate|please|"
    r"give|answer|with|only|just|a|number|does|equals?|make|in|digits)\b|[?=:!\u3002]|\.(?!\d)"
    r"|を?計算して(?:ください)?|は?いくつですか|は何ですか|は"
)
_DAYS = "monday tuesday wednesday thursday friday saturday sunday".split()  # noqa: SIM905  # words
_DAY = f"({'|'.join(_DAYS)})"
_MONTHS = (
    "january february march april may june july august september october november december".split()  # noqa: SIM905  # words
)
_UNITS: Mapping[str, tuple[str, Fraction]] = {  # what it measures, and how much in its smallest
    r"km|kilomet(?:re|er)s?": ("length", Fraction(100_000)),
    r"m|met(?:re|er)s?": ("length", Fraction(100)),
    r"cm|centimet(?:re|er)s?": ("length", Fraction(1)),
    r"kg|kilograms?|kilos?": ("weight", Fraction(1000)),
    r"g|grams?": ("weight", Fraction(1)),
    r"days?": ("time", Fraction(86_400)),
    r"h|hours?": ("time", Fraction(3600)),
    r"min|minutes?": ("time", Fraction(60)),
    r"s|sec|seconds?": ("time", Fraction(1)),
}
_UNIT = f"({'|'.join(_UNITS)})"


def solve(task: str) -> str | None:
    """Return the result of a general task, or None if the text is none of them."""
    text = " ".join(unicodedata.normalize("NFKC", task).split())
    text = re.sub(r"(?<=\d) and a half\b", ".5", text)
    for pattern, act in _TASKS.items():
        if (found := pattern.search(text)) and (done := act(found)):
            return done
    return _arithmetic(text.lower())


def _arithmetic(text: str) -> str | None:
    for spoken, sign in _SPOKEN.items():
        text = re.sub(spoken, sign, text)
    expression = _AROUND_A_SUM.sub(" ", text).strip()
    if not re.fullmatch(r"[\d.()\s]+(?:[-+*/][-\d.()\s]+)+", expression):
        return None
    try:
        return _plain(_value(ast.parse(expression, mode="eval").body))
    except (SyntaxError, ZeroDivisionError):
        return None


def _value(node: ast.expr) -> Fraction:
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        return _OPERATORS[type(node.op)](_value(node.left), _value(node.right))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_value(node.operand)
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return Fraction(str(node.value))
    raise SyntaxError


def _plain(value: Fraction) -> str:
    return f"{float(value):.10g}" if value.denominator > 1 else str(value.numerator)


def _of_two(act: Callable[[Fraction, Fraction], Fraction]) -> Callable[[_Words], str]:
    return lambda found: _plain(act(Fraction(found[1]), Fraction(found[2])))


def _items(text: str) -> list[str]:
    return [item for item in re.split(r"\s*(?:,|\band\b)\s*", text.strip(" .?!:\"'")) if item]


def _sorted(found: _Words) -> str:
    items = _items(found["items"])
    if all(re.fullmatch(_NUMBER, item) for item in items):
        items.sort(key=float)
    else:
        items.sort(key=str.casefold)
    falling = re.search(r"\b(?:descending|reverse|largest to smallest|z to a)\b", found[0].lower())
    return ", ".join(items[::-1] if falling else items)


def _extreme(found: _Words) -> str:
    greatest = found[1].lower() in {"largest", "greatest", "biggest", "highest"}
    numbers = [item for item in _items(found["items"]) if re.fullmatch(_NUMBER, item)]
    return (max if greatest else min)(numbers, key=float, default="")


def _next_number(found: _Words) -> str | None:
    numbers = [Fraction(number) for number in re.findall(_NUMBER, found["items"])]
    steps = {after - before for before, after in itertools.pairwise(numbers)}
    return _plain(numbers[-1] + steps.pop()) if len(steps) == 1 else None


def _converted(amount: str, given: str, wanted: str) -> str | None:
    (what, size), (other, unit) = _unit(given), _unit(wanted)
    return f"{_plain(Fraction(amount) * size / unit)} {wanted}" if what == other else None


def _unit(name: str) -> tuple[str, Fraction]:
    return next(kind for spelt, kind in _UNITS.items() if re.fullmatch(spelt, name.lower()))


def _moved(names: list[str], name: str, by: int) -> str:
    return names[(names.index(name.lower()) + by) % len(names)].title()


def _iso_date(found: _Words) -> str:
    return f"{found[3]}-{_MONTHS.index(found[2].lower()) + 1:02}-{int(found[1]):02}"


def _on_24_hours(found: _Words) -> str:
    later = found[3].lower() in {"pm", "p.m.", "in the afternoon", "in the evening"}
    return f"{int(found[1]) % 12 + 12 * later:02}:{found[2]}"


def _is_prime(found: _Words) -> str:
    number = int(found[1])
    prime = number > 1 and all(number % each for each in range(2, int(number**0.5) + 1))
    return "Yes" if prime else "No"


def _count(letters: str, wanted: str) -> str:
    return str(Counter(letters.lower())[wanted.lower()])


_LISTED = r"[^:]*:\s*(?P<items>.+)"
_TASKS: Mapping[re.Pattern[str], Callable[[_Words], str | None]] = {
    re.compile(pattern, re.IGNORECASE): act
    for pattern, act in {
        rf"\b(?:sum of|add) {_NUMBER} (?:and|to) {_NUMBER}": _of_two(operator.add),
        rf"\bsubtract {_NUMBER} from {_NUMBER}": _of_two(lambda less, of: of - less),
        rf"\b(?:product of|multiply) {_NUMBER} (?:and|by) {_NUMBER}": _of_two(operator.mul),
        rf"\bdivide {_NUMBER} by {_NUMBER}": _of_two(lambda of, by: of / (by or Fraction(1))),
        rf"{_NUMBER} ?(?:%|percent|per cent) of {_NUMBER}": _of_two(lambda p, of: of * p / 100),
        rf"^(?:please )?(?:sort|arrange|alphabeti[sz]e|(?:order|put) th\w+)\b{_LISTED}": _sorted,
        rf"\b(largest|greatest|biggest|highest|smallest|lowest|least)\b{_LISTED}": _extreme,
        rf"\bnext number\b{_LISTED}": _next_number,
        rf"\b(?:reverse|backwards?)\b.*?(?:word|letters of)?:? ?{_QUOTED}[.?!]?$": (
            lambda found: found[1][::-1]
        ),
        rf"(?:spell|write|say) (?:the word )?{_QUOTED} (?:backwards?|in reverse)": (
            lambda found: found[1][::-1]
        ),
        rf"(?:write|put|spell|convert|turn) (?:the word )?{_QUOTED} (?:in|to|into) "
        r"(?:all )?(?:capitals?|upper[- ]?case)": lambda found: found[1].upper(),
        r"(?:write|put|spell) (?:this |it )?in (?:all )?(?:capitals|upper[- ]?case)[^:]*: ?(.+)": (
            lambda found: found[1].upper()
        ),
        rf"(\d{{1,2}}) ({'|'.join(_MONTHS)}) (\d{{4}}).*\bYYYY-MM-DD": _iso_date,
        r"(\d{1,2}):(\d\d) (am|pm|a\.m\.|p\.m\.|in the (?:morning|afternoon|evening)).*"
        r"\b24[- ]hour": _on_24_hours,
        r"\bJSON object\b.*?\bkey is (\w+),? with the value (\w+)": (
            lambda found: json.dumps({found[1]: found[2]})
        ),
        rf"upper-?case (?:the word |of )?:? ?{_QUOTED}[.?!]?$": lambda found: found[1].upper(),
        rf"(?:write|put|spell|convert|turn) (?:the word )?{_QUOTED} (?:in|to|into) "
        r"(?:all )?lower[- ]?case": lambda found: found[1].lower(),
        rf"how (?:many times|often) (?:does|is) (?:the )?letter {_LETTER} .*?\bin "
        rf"(?:the word )?{_QUOTED}": lambda found: _count(found[2], found[1]),
        rf"how many (?:letter )?{_LETTER}(?:'?s)? (?:are|is) (?:there )?in (?:the word )?"
        rf"{_QUOTED}": (lambda found: _count(found[2], found[1])),
        rf"how many (?:letters|characters) .*?(?:in|have|has|word) (?:the word )?{_QUOTED}": (
            lambda found: str(len(found[1]))
        ),
        rf"(?:number of|count the) letters (?:in|of) (?:the word )?{_QUOTED}": (
            lambda found: str(len(found[1]))
        ),
        rf"\b(first|last) letter (?:of|in) (?:the word )?{_QUOTED}": (
            lambda found: found[2][0 if found[1].lower() == "first" else -1]
        ),
        r"how many words .*?:\s*(?P<items>.+)": lambda found: str(len(found["items"].split())),
        rf"{_NUMBER} ?{_UNIT}\b (?:in|to|into|as) {_UNIT}\b": (
            lambda found: _converted(found[1], found[2], found[3])
        ),
        rf"how many {_UNIT} (?:are|is|in) (?:there )?(?:in )?{_NUMBER} ?{_UNIT}\b": (
            lambda found: _converted(found[2], found[3], found[1])
        ),
        rf"\b{_DAY}\b.*?\bin (\d+) days": lambda found: _moved(_DAYS, found[1], int(found[2])),
        rf"\b(\d+) days after {_DAY}": lambda found: _moved(_DAYS, found[2], int(found[1])),
        rf"\bday\b.*?\b(after|before|follows|comes after|comes before) {_DAY}": (
            lambda found: _moved(_DAYS, found[2], -1 if "before" in found[1].lower() else 1)
        ),
        rf"\bmonth\b.*?\b(after|before|follows) ({'|'.join(_MONTHS)})\b": (
            lambda found: _moved(_MONTHS, found[2], -1 if found[1].lower() == "before" else 1)
        ),
        r"\bis (\d{1,9}) (?:a )?prime\b": _is_prime,
        r"\bis (-?\d+) (?:an )?(even|odd)\b": (
            lambda found: (
                "Yes" if (int(found[1]) % 2 == 0) == (found[2].lower() == "even") else "No"
            )
        ),
        rf"\bdouble (?:of )?{_NUMBER}": lambda found: _plain(2 * Fraction(found[1])),
        rf"\bsquare of {_NUMBER}": lambda found: _plain(Fraction(found[1]) ** 2),
        rf"\bhalf of {_NUMBER}": lambda found: _plain(Fraction(found[1]) / 2),
    }.items()
}
