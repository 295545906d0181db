"""What the offline service takes as training data."""

from __future__ import annotations

import json
from typing import Any

import pytest

from local.bedrock.catalogue import MODELS as ALL
from local.bedrock.customization.datasets import DatasetRefused, read_pairs

MODELS = {model.key: model for model in ALL}
THOUGHT = {"reasoningContent": {"reasoningText": {"text": "Because."}}}


def body(*answer: Any, **record: Any) -> bytes:
    said = [
        {"role": "user", "content": [{"text": "Q"}]},
        {"role": "assistant", "content": [*answer]},
    ]
    return json.dumps({"schemaVersion": "v", **record, "messages": said}).encode()


def test_reasoning_is_taken_by_the_model_that_is_trained_on_it() -> None:
    written = body(THOUGHT, {"text": "A"})
    [pair] = read_pairs(written, MODELS["nova-2-lite"], "training", 10)
    assert pair.completion == "A"
    with pytest.raises(DatasetRefused, match="line 1 is not in the format of Nova Micro"):
        read_pairs(written, MODELS["nova-micro"], "training", 10)


def test_an_empty_list_is_no_system_prompt() -> None:
    [pair] = read_pairs(body({"text": "A"}, system=[]), MODELS["nova-micro"], "training", 10)
    assert pair.system == ""
