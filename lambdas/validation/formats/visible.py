"""Which characters of a text are visible: not blanks, controls and invisible ones."""

from __future__ import annotations

import functools
import re
import unicodedata

# Invisible categories. Private use and unassigned characters are not: a font may draw them.
_UNSEEN = frozenset({"Cc", "Cf", "Zs", "Zl", "Zp"})
# Letters and marks by category, but blank by the Unicode Standard's name or use: grapheme joiner,
# Hangul fillers, Khmer inherent vowels, Mongolian variation selectors, the empty braille cell.
_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0")
_VARIATION_SELECTORS = (range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0))
# What Python calls printable all the same.
_PRINTABLE_UNSEEN = re.compile(f"[{''.join(_BLANK)}\ufe00-\ufe0f\U000e0100-\U000e01ef]")


def is_visible(text: str) -> bool:
    """Return whether at least one character of the text is visible."""
    return any(map(_seen, text))


def without_invisible(text: str) -> str:
    """Return the text without what nobody sees in it, such as soft hyphens; blanks stay."""
    if "".join(text.split()).isprintable() and not _PRINTABLE_UNSEEN.search(text):
        return text  # as a rule
    unseen = {ord(each): None for each in set(text) if not (_seen(each) or each.isspace())}
    return text.translate(unseen) if unseen else text


@functools.cache
def _seen(character: str) -> bool:
    if character in _BLANK or unicodedata.category(character) in _UNSEEN:
        return False
    return not any(ord(character) in each for each in _VARIATION_SELECTORS)
