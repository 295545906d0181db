r"""The invisible characters, as a class of a regular expression.

Few programs that read a schema know Unicode's categories: the ranges are written out. Characters
beyond U+FFFF are literal, as no escape for them works everywhere. The characters depend on Python's
version of Unicode: those added after the oldest one's are listed here.
"""

from __future__ import annotations

from itertools import chain, groupby

from lambdas.validation.formats.visible import is_visible

_LAST_WITH_ESCAPE = 0xFFFF
_SURROGATES = range(0xD800, 0xE000)
_NEWER = range(0x13439, 0x13440)  # Egyptian formats, Unicode 15
_PLANES = ((0, 0x3FFFF), (0xE0000, 0xEFFFF))  # others hold no characters, or private ones


def _is_hidden(code: int) -> bool:
    return code in _NEWER or (code not in _SURROGATES and not is_visible(chr(code)))


def _written(code: int) -> str:
    return f"\\u{code:04x}" if code <= _LAST_WITH_ESCAPE else chr(code)


def _class() -> str:
    codes = chain.from_iterable(range(first, last + 1) for first, last in _PLANES)
    runs = ([*run] for is_hidden, run in groupby(codes, key=_is_hidden) if is_hidden)
    return "".join(
        _written(run[0]) if len(run) == 1 else f"{_written(run[0])}-{_written(run[-1])}"
        for run in runs
    )


INVISIBLE = _class()
