"""Warnings about one record by itself: secrets, personal data, and answers that are cut off."""

from __future__ import annotations

from collections.abc import Iterator

from lambdas.validation.formats.conversation import Conversation
from lambdas.validation.formats.fields import FieldOf
from lambdas.validation.jsonl.findings import Finding
from lambdas.validation.warnings.endings import ending_of
from lambdas.validation.warnings.personal_data import find_personal_data, personal_data_rules
from lambdas.validation.warnings.secrets import find_secrets, secret_rules


def record_warnings(conversation: Conversation, field_of_turn: FieldOf) -> Iterator[Finding]:
    """Yield the warnings of one record; no message shows a whole secret."""
    whole = "\n".join(conversation.texts)
    kinds = (
        (find_secrets, secret_rules(whole)),
        (find_personal_data, personal_data_rules(whole)),
    )
    is_suspect = any(rules for _, rules in kinds)
    paths = ["system", *map(field_of_turn, range(len(conversation.turns)))] if is_suspect else ()
    for path, text in zip(paths, conversation.texts, strict=False):
        for find, rules in kinds:
            for hit in find(text, rules):
                yield Finding.of(hit.code, path, f"the text contains {hit.what}: {hit.shown}")
    last = len(conversation.turns) - 1
    for at, turn in enumerate(conversation.turns):
        if turn.role == "assistant" and ending_of(turn.text) == "cut":
            which = "the answer" if at == last else "an earlier answer"
            fix = "complete it: a model learns to stop there"
            yield Finding.of("truncated-answer", field_of_turn(at), f"{which} is cut off", fix)
