"""The models that tests name."""

from __future__ import annotations

from lambdas.domain.models.lookup import find_model

CLAUDE_3_HAIKU = find_model("claude-3-haiku")
NOVA_MICRO = find_model("nova-micro")
NOVA_2_LITE = find_model("nova-2-lite")
LLAMA_3_1_8B = find_model("llama-3-1-8b")
