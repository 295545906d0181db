"""Which training records are reviewed: all, or evenly spread ones where the budget ends before."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from lambdas.domain.data_review.tasks import (
    BARE_TOKENS,
    ReviewTask,
    TokenCost,
    most_input_tokens,
    worst_usd,
)
from lambdas.domain.errors import CostCeilingExceeded
from lambdas.domain.evaluation.rubrics import OUTPUT_TOKENS, PROSE_SHARES
from lambdas.domain.models.lookup import find_model
from lambdas.domain.run.contracts import Dataset, Run

# A state's payload holds 256 KiB (https://docs.aws.amazon.com/step-functions/latest/dg/
# service-quotas.html, read 2026-11-23); a character of three bytes may become an escape of six.
MAX_RECORD_BYTES = 120_000

ItemT = TypeVar("ItemT")


def affordable(
    items: Iterable[ItemT], usd_of: Callable[[ItemT], float], max_usd: float
) -> Iterator[ItemT]:
    """Yield the items, from the first on, that together cost at most `max_usd`."""
    spent_usd = 0.0
    for item in items:
        spent_usd += usd_of(item)
        if spent_usd > max_usd:
            return
        yield item


@dataclass
class ReviewSample:
    """Every `every`-th record, {"line", "record"}, and what all cost at most."""

    every: int
    items: list[dict[str, Any]] = field(default_factory=list)
    too_long: int = 0
    worst_usd: float = 0.0

    def as_jsonl(self) -> str:
        # In ASCII: some readers of JSONL end a line at U+2028, too.
        return "".join(json.dumps(item) + "\n" for item in self.items)


def sample_records(
    run: Run, dataset: Dataset, lines: Iterable[bytes], usd: TokenCost
) -> ReviewSample:
    """Choose evenly spread records that together cost at most `max_review_usd`, whatever happens.

    Lines may come cut to one byte more than MAX_RECORD_BYTES, as `Artefacts.iter_lines` cuts them.

    Raises
    ------
    CostCeilingExceeded
        The money does not pay for one record.
    """
    max_usd = run.settings.max_review_usd
    every = step_through(dataset.training_records, dataset.training_tokens, max_usd, usd)
    sample = ReviewSample(every)
    candidates = _candidates(lines, run, usd, sample)
    for item, most_usd in affordable(candidates, lambda candidate: candidate[1], max_usd):
        sample.items.append(item)
        sample.worst_usd += most_usd
    if not sample.items:
        raise CostCeilingExceeded(
            f"max_review_usd = {max_usd:g} does not pay for the review of one training record with "
            f"{run.settings.judge_model} ({sample.too_long} are longer than {MAX_RECORD_BYTES:,} "
            "bytes and cannot be reviewed). None was reviewed: raise it, or leave review_data off"
        )
    return sample


def _candidates(
    lines: Iterable[bytes], run: Run, usd: TokenCost, sample: ReviewSample
) -> Iterator[tuple[dict[str, Any], float]]:
    """Yield every n-th record with what it costs at most; count those that are too long."""
    model = find_model(run.settings.model)
    for index, content in enumerate(lines):
        if index % sample.every or not content.strip():
            continue
        if len(content) > MAX_RECORD_BYTES:
            sample.too_long += 1
            continue
        record = json.loads(content)
        task = ReviewTask.of(index + 1, record, model, run.settings.judge_prompt)
        if task:
            yield {"line": task.line, "record": record}, worst_usd(most_input_tokens(task), usd)


def step_through(records: int, tokens: int, max_usd: float, usd: TokenCost) -> int:
    """Return n, so that every n-th of the records is about what `max_usd` pays for.

    `tokens` is the estimate for all records together.
    """
    return max(1, math.ceil(_worst_usd(records, tokens, usd) / max_usd))


def quoted_usd(
    records: int, tokens: int, max_usd: float, usd: TokenCost
) -> tuple[float, float, float]:
    """Return what a review costs, low, expected and at most, none of it above `max_usd`."""
    every = step_through(records, tokens, max_usd, usd)
    asked, said = (tokens + records * BARE_TOKENS) / every, records / every
    low, expected = (
        usd(round(asked * share), round(said * output))
        for share, output in zip(PROSE_SHARES, OUTPUT_TOKENS, strict=True)
    )
    high = min(max_usd, _worst_usd(records, tokens, usd))
    return min(low, high), min(expected, high), high


def _worst_usd(records: int, tokens: int, usd: TokenCost) -> float:
    return records * worst_usd(BARE_TOKENS, usd) + worst_usd(tokens, usd) - worst_usd(0, usd)
