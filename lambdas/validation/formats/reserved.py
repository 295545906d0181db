"""Finds a model's reserved words in a text fast, or rather that there are none."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import NamedTuple

from lambdas.domain.models.catalogue import Reserved


class Search(NamedTuple):
    """How to look for words: every text that holds one holds `part`, and `find` is true of it."""

    part: str
    find: Callable[[str], object]


NO_WORDS = Search("", lambda _: None)


@lru_cache
def searches(reserved: tuple[Reserved, ...], *, warnings: bool) -> Mapping[str, Search]:
    """Return by role how to look for the role's words; for what only warns on request."""
    words: defaultdict[str, set[str]] = defaultdict(set)
    for group in reserved:
        for role in group.roles if group.documented or warnings else ():
            words[role].update(group.words)
    return {role: _search(each) for role, each in words.items()}


def _search(words: Iterable[str]) -> Search:
    words = sorted(words)
    first = {word[0] for word in words}
    if len(first) > 1:
        return Search("", _by_last_character(words))
    # One pass, at the speed at which the character is found that all begin with.
    start = first.pop()
    rest = "|".join(re.escape(word[1:]) for word in words)
    whole = re.compile(f"{re.escape(start)}(?:{rest})")
    return Search(start, whole.search)


def _by_last_character(words: Iterable[str]) -> Callable[[str], bool]:
    """Look at what stands before the few characters that words end in."""
    stems: defaultdict[str, tuple[str, ...]] = defaultdict(tuple)
    for word in words:
        stems[word[-1]] += (word[:-1],)

    def search(text: str) -> bool:
        return any(
            last in text and any(part.endswith(each) for part in text.split(last)[:-1])
            for last, each in stems.items()
        )

    return search
