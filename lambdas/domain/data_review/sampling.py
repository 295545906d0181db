"""Which training records are reviewed: all, or evenly spread ones where the money ends before."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from lambdas.domain.data_review.review import Rates, Task, most_input_tokens
from lambdas.domain.models.model import Model
from lambdas.validation.formats.records import read_conversation
from lambdas.validation.jsonl.problems import Problems

# A state's payload holds 256 KiB (https://docs.aws.amazon.com/step-functions/latest/dg/
# service-quotas.html, read 2026-11-23); a character of three bytes may become an escape of six.
MAX_RECORD_BYTES = 120_000
_BARE_TOKENS = most_input_tokens(Task(1, None, "", ""))  # of a request, beside the record's own
_TOKEN_SHARES = (0.6, 0.7)  # low, expected: of tokens counted from above, in prose
_OUTPUT_TOKENS = (60, 150)  # low, expected: of one review


@dataclass
class Chosen:
    """Records that are to be reviewed, {"line", "record"}, and what they cost at most."""

    items: list[dict[str, Any]] = field(default_factory=list)
    too_long: int = 0
    worst_usd: float = 0.0


def task_of(line: int, record: dict[str, Any], model: Model) -> Task | None:
    """Read a record in the model's format; None if it is no conversation."""
    conversation = read_conversation(record, model, Problems())
    return Task.of(line, conversation) if conversation else None


def step_through(records: int, tokens: int, max_usd: float, rates: Rates) -> int:
    """Return n, so that every n-th of the records is about what `max_usd` pays for.

    `tokens` is the estimate for all records together.
    """
    return max(1, math.ceil(_worst_usd(records, tokens, rates) / max_usd))


def quoted_usd(
    records: int, tokens: int, max_usd: float, rates: Rates
) -> tuple[float, float, float]:
    """Return what a review costs, low, expected and at most, none of it above `max_usd`."""
    every = step_through(records, tokens, max_usd, rates)
    asked, said = (tokens + records * _BARE_TOKENS) / every, records / every
    low, expected = (
        rates.usd(round(asked * share), round(said * output))
        for share, output in zip(_TOKEN_SHARES, _OUTPUT_TOKENS, strict=True)
    )
    high = min(max_usd, _worst_usd(records, tokens, rates))
    return min(low, high), min(expected, high), high


def _worst_usd(records: int, tokens: int, rates: Rates) -> float:
    return records * rates.worst_usd(_BARE_TOKENS) + rates.worst_usd(tokens) - rates.worst_usd(0)


def choose(
    lines: Iterable[bytes], model: Model, *, every: int, max_usd: float, rates: Rates
) -> Chosen:
    """Choose every `every`-th line, as long as all chosen together cost at most `max_usd`.

    Lines may come cut to one byte more than MAX_RECORD_BYTES, as `Artefacts.iter_lines` cuts them.
    """
    chosen = Chosen()
    for line, content in _nth(lines, every):
        if len(content) > MAX_RECORD_BYTES:
            chosen.too_long += 1
            continue
        record = json.loads(content)
        task = task_of(line, record, model)
        if task is None:
            continue
        usd = chosen.worst_usd + rates.worst_usd(most_input_tokens(task))
        if usd > max_usd:
            break
        chosen.worst_usd = usd
        chosen.items.append({"line": line, "record": record})
    return chosen


def _nth(lines: Iterable[bytes], every: int) -> Iterator[tuple[int, bytes]]:
    """Yield the first line and every `every`-th after it that is not blank, counted from 1."""
    for index, content in enumerate(lines):
        if index % every == 0 and content.strip():
            yield index + 1, content
