"""What is left of a generation: the file of pairs, and the account of how they came about."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from dataset.generation.checks import REASONS, Kept, Refusal
from dataset.generation.session import Outcome

_REFUSALS_SHOWN = 3  # of each reason


def write(out: Path, kept: Sequence[Kept]) -> None:
    """Write the raw pairs as a JSON list, whole or not at all."""
    text = json.dumps([each.as_json() for each in kept], ensure_ascii=False, indent=2) + "\n"
    temporary = out.with_name(f".{out.name}.{os.getpid()}")
    # A lone surrogate, which UTF-8 has not, stays the JSON escape that it came as.
    temporary.write_bytes(text.encode(errors="backslashreplace"))
    temporary.replace(out)


def summary(outcome: Outcome, wanted: int, usd: float | None) -> Iterator[str]:
    """Yield the lines that say what was kept, what was refused and why, and what it cost."""
    sections = Counter((each.section.document, each.section.label) for each in outcome.kept)
    yield f"Pairs:   {len(outcome.kept)} of {wanted}, from {len(sections)} section(s)"
    yield from _refusals(outcome.refusals)
    if outcome.unfinished:
        yield f"Cut off: {outcome.unfinished} answer(s), asked again in smaller pieces"
    yield f"Tokens:  {outcome.input_tokens:,} in, {outcome.output_tokens:,} out{_before(outcome)}"
    yield f"Cost:    {'no price is known' if usd is None else f'${usd:.4f}'}"


def _before(outcome: Outcome) -> str:
    if not outcome.resumed_tokens:
        return ""
    return f"; {outcome.resumed_tokens:,} of them paid for by earlier commands"


def _refusals(refusals: Sequence[Refusal]) -> Iterator[str]:
    yield f"Refused: {len(refusals)}"
    for code, count in Counter(each.code for each in refusals).most_common():
        yield f"  {count:4} {code}: {REASONS[code]}"
        examples = [each for each in refusals if each.code == code]
        yield from (f"         {each}" for each in examples[:_REFUSALS_SHOWN])
