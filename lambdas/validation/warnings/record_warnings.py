"""Warnings about one record by itself: secrets, personal data, and answers that are cut off."""

from __future__ import annotations

from collections.abc import Iterator

from lambdas.validation.formats.conversation import Conversation
from lambdas.validation.jsonl.findings import Finding
from lambdas.validation.warnings.endings import ending_of
from lambdas.validation.warnings.personal_data import half_width, personal_data_rules
from lambdas.validation.warnings.secrets import first_hits, secret_rules


def record_warnings(conversation: Conversation) -> Iterator[Finding]:
    """Yield the warnings of one record; no message shows a whole secret."""
    whole = half_width("\n".join(conversation.texts))
    rules = secret_rules(whole) + personal_data_rules(whole)
    for at, text in enumerate(conversation.texts, start=-1) if rules else ():
        for hit in first_hits(rules, half_width(text)):
            path = "system" if at < 0 else conversation.field_of(at)
            yield Finding.of(hit.code, path, f"the text contains {hit.what}: {hit.shown}")
    last = len(conversation.turns) - 1
    for at, turn in enumerate(conversation.turns):
        if turn.role == "assistant" and ending_of(turn.text) == "cut":
            which = "the answer" if at == last else "an earlier answer"
            fix = "complete it: a model learns to stop there"
            path = conversation.field_of(at)
            yield Finding.of("truncated-answer", path, f"{which} is cut off", fix)
