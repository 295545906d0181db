"""Recognises records that are made for another purpose or tool."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dataset.sources.pairs import is_blank
from lambdas.validation.formats.pairs import pair_keys

_PREFERENCES = (
    "a preference pair (for DPO), and this project trains on right answers alone: make each chosen "
    "answer a record of its own, with its question"
)
_RATED = (
    "an answer with a label of good or bad (for KTO), and this project trains on right answers "
    "alone: keep the good ones, without the label"
)
_REINFORCEMENT = (
    "for reinforcement fine-tuning, which this project does not do: add the right answer to the "
    "messages, as the assistant's last"
)
_KNOWLEDGE_BASE = (
    "for a knowledge base evaluation on Bedrock: make a record of each turn, with its prompt and "
    "its reference response as question and answer"
)
_GEMINI = (
    "in the format of Gemini (Vertex AI): rename contents to messages, parts to content, the role "
    "model to assistant, and systemInstruction to system"
)
# The keys of each, none of them blank.
_BY_KEYS = (
    (("chosen", "rejected"), _PREFERENCES),
    (("chosen_messages", "rejected_messages"), _PREFERENCES),
    (("preferred_output", "non_preferred_output"), _PREFERENCES),
    (("reward_model",), _REINFORCEMENT),
    (("conversationTurns",), _KNOWLEDGE_BASE),
    (("contents",), _GEMINI),
)
_RAW_TEXT = (
    "raw text, as for continued pre-training, and this project trains on questions and answers: "
    "python -m dataset generate writes pairs from a document; if it is a question, give "
    "--prompt-key and --completion-key"
)
_TEXT_KEYS = {"text", "raw_content"}


def foreign_format(value: Mapping[str, Any]) -> str | None:
    """Say what a record is for, if not for this project, and what to do about it."""
    filled = {str(key) for key in value if not is_blank(value[key])}
    for keys, what in _BY_KEYS:
        if filled.issuperset(keys):
            return what
    if isinstance(value.get("label"), bool):
        return _RATED
    messages = value.get("messages")
    if isinstance(messages, list):
        is_asked = "reference_answer" in filled and not _is_answered(messages)
        return _REINFORCEMENT if is_asked else None
    if not pair_keys(value) and filled & _TEXT_KEYS:
        return _RAW_TEXT
    return None


def _is_answered(messages: list[Any]) -> bool:
    last = messages[-1] if messages else None
    return isinstance(last, dict) and last.get("role") == "assistant"
