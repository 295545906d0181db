"""Fast searches for a model's reserved words, which nearly all texts are free of."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import NamedTuple

from lambdas.domain.models.model import Reserved


class Search(NamedTuple):
    """A search for words: `find` is truthy for a text with one, and each such text has `part`."""

    part: str
    find: Callable[[str], object]


NO_WORDS = Search("", lambda _: None)


@lru_cache
def searches(reserved: tuple[Reserved, ...], *, warnings: bool) -> Mapping[str, Search]:
    """Return the search of each role; `warnings`: also for words that only cause a warning."""
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
    # One pass, as fast as the first character of all words is found.
    start = first.pop()
    rest = "|".join(re.escape(word[1:]) for word in words)
    whole = re.compile(f"{re.escape(start)}(?:{rest})")
    return Search(start, whole.search)


def _by_last_character(words: Iterable[str]) -> Callable[[str], bool]:
    """Search for the few last characters of all words, and compare what precedes them."""
    stems: defaultdict[str, tuple[str, ...]] = defaultdict(tuple)
    for word in words:
        stems[word[-1]] += (word[:-1],)

    def search(text: str) -> bool:
        return any(
            last in text and any(part.endswith(each) for part in text.split(last)[:-1])
            for last, each in stems.items()
        )

    return search
