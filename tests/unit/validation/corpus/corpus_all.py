"""All cases of the corpus."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from tests.models import CLAUDE_3_HAIKU
from tests.unit.validation.corpus.corpus import LLAMA, NOVA, ONE_OF_EACH, Case, cases_of
from tests.unit.validation.corpus.corpus_bytes import ENCODING, JSON, LINES, LONG
from tests.unit.validation.corpus.corpus_claude import CLAUDE, CLAUDE_COUNTS, CLAUDE_VALIDATION
from tests.unit.validation.corpus.corpus_converse import CONVERSE, CONVERSE_COUNTS
from tests.unit.validation.corpus.corpus_pairs import EVALUATION, PAIRS, PAIRS_COUNTS


def _cases() -> Iterator[Case]:
    for model in ONE_OF_EACH:
        yield from cases_of(model, "training", ENCODING, LINES, JSON)
    yield from cases_of(CLAUDE_3_HAIKU, "training", CLAUDE, CLAUDE_COUNTS, LONG)
    yield from cases_of(CLAUDE_3_HAIKU, "validation", CLAUDE_VALIDATION)
    yield from cases_of(NOVA, "training", CONVERSE, CONVERSE_COUNTS)
    yield from cases_of(LLAMA, "training", PAIRS, PAIRS_COUNTS)
    yield from cases_of(CLAUDE_3_HAIKU, "evaluation", EVALUATION, ENCODING)


CASES = tuple(_cases())


def by_group() -> Mapping[str, Sequence[Case]]:
    """Return the cases by model, file and group, for tests of which one a case were too many."""
    groups: defaultdict[str, list[Case]] = defaultdict(list)
    for each in CASES:
        groups[f"{each.model.key}, {each.kind}: {each.group}"].append(each)
    return groups
