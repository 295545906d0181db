"""The result of a generation: the file of pairs, and the summary that is printed."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from dataset.generation.checks import REASONS, KeptPair, Refusal
from dataset.generation.session import Outcome

_REFUSALS_SHOWN = 3  # of each reason


def write(out: Path, kept: Sequence[KeptPair]) -> None:
    """Write the raw pairs as a JSON list, whole or not at all."""
    text = json.dumps([pair.as_json() for pair in kept], ensure_ascii=False, indent=2) + "\n"
    temporary = out.with_name(f".{out.name}.{os.getpid()}")
    # A lone surrogate, which UTF-8 cannot hold, stays the JSON escape that it came as.
    temporary.write_bytes(text.encode(errors="backslashreplace"))
    temporary.replace(out)


def summary(outcome: Outcome, wanted: int, usd: float | None) -> Iterator[str]:
    """Yield lines on what was kept, what was refused and why, and what it cost."""
    sections = Counter((pair.section.document, pair.section.label) for pair in outcome.kept)
    yield f"Pairs:   {len(outcome.kept)} of {wanted}, from {len(sections)} section(s)"
    yield from _refusals(outcome.refusals)
    if outcome.unfinished:
        yield f"Cut off: {outcome.unfinished} answer(s), requested again in smaller pieces"
    yield f"Tokens:  {outcome.input_tokens:,} in, {outcome.output_tokens:,} out{_before(outcome)}"
    yield f"Cost:    {'no price is known' if usd is None else f'${usd:.4f}'}"


def _before(outcome: Outcome) -> str:
    if not outcome.resumed_tokens:
        return ""
    return f"; {outcome.resumed_tokens:,} of them paid for earlier"


def _refusals(refusals: Sequence[Refusal]) -> Iterator[str]:
    yield f"Refused: {len(refusals)}"
    for code, count in Counter(refusal.code for refusal in refusals).most_common():
        yield f"  {count:4} {code}: {REASONS[code]}"
        examples = [refusal for refusal in refusals if refusal.code == code]
        yield from (f"         {example}" for example in examples[:_REFUSALS_SHOWN])
