"""Resources by type: what nearly all of them share is said once."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from stacks.review.templates import Deployment, Field, Resource

Kinds = Mapping[str, Sequence[Field]]  # what is shared, by type

_FEWEST = 4  # resources of a type from which on what they share is said once
_STATEMENT = re.compile(r"(\.?PolicyDocument)?\.?Statement\[\]$")


def kinds_of(deployment: Deployment) -> dict[str, list[Field]]:
    """Return for each type the fields that at least three quarters of its resources share."""
    resources: dict[str, list[Resource]] = {}
    for resource in deployment.resources.values():
        resources.setdefault(resource.type, []).append(resource)
    return {kind: _shared(same) for kind, same in resources.items()}


def _shared(resources: Sequence[Resource]) -> list[Field]:
    if len(resources) < _FEWEST:
        return []
    counts = Counter(field for each in resources for field in dict.fromkeys(each.masked))
    return [field for field, count in counts.items() if 4 * count >= 3 * len(resources)]


def own_lines(resource: Resource, kinds: Kinds) -> Iterator[str]:
    """Yield what the resource has besides what its kind shares, and what it lacks of that."""
    fields, shared = resource.masked, kinds.get(resource.type, [])
    left = Counter(fields) - Counter(shared)
    # A value of its own says that the shared one does not hold; an entry of a list does not.
    replaced = {path for path, _ in left if not path.endswith("[]")}
    for field in shared:
        if field not in fields and field[0] not in replaced:
            yield f"without {line(field)}"
    yield from (line(field) for field in fields if field in left)


def line(field: Field) -> str:
    path, text = field
    return f"{_STATEMENT.sub('', path)}: {text}"
