"""What a model says to a request of Converse, and why it stops there."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from local.bedrock import chance
from local.bedrock.inference import judge
from local.bedrock.inference.conversations import Conversation
from local.bedrock.inference.document_qa import (
    answer_from,
    facts,
    pairs_wanted,
    that_fit,
    tool_input,
)
from local.bedrock.inference.documents import Document
from local.bedrock.inference.generation import answer
from local.bedrock.inference.targets import Target
from local.bedrock.protocol import ValidationError
from local.bedrock.scenario import Scenario, Stop
from local.bedrock.tokenization import count_tokens, first_tokens

_BLOCKED = "Sorry, the model cannot answer this question."  # of a guardrail's own configuration
_CUT = {"max_tokens", "stop_sequence", "model_context_window_exceeded", "malformed_model_output"}
_Content = list[dict[str, Any]]


@dataclass(frozen=True)
class Prompt:
    """What a model reads, and within which limits it answers."""

    talk: Conversation
    documents: Sequence[Document]
    tools: Mapping[str, Any]  # Converse's toolConfig
    max_tokens: int | None
    stop_sequences: Sequence[str] = ()


def reply(target: Target, prompt: Prompt, scenario: Scenario) -> tuple[_Content, str]:
    """Return the answer's content, and its stop reason."""
    if tool := _forced_tool(prompt.tools):
        return _called(target, prompt, scenario, tool)
    text = _text(target, prompt, scenario)
    if stop := _staged(target, prompt.talk.question, scenario):
        return _stopped(text, stop)
    found = [at for sequence in prompt.stop_sequences if (at := text.find(sequence)) >= 0]
    if found:
        text = text[: min(found)]
    if prompt.max_tokens and count_tokens(text) > prompt.max_tokens:
        return _said(first_tokens(text, prompt.max_tokens)), "max_tokens"
    return _said(text), "stop_sequence" if found else "end_turn"


def _text(target: Target, prompt: Prompt, scenario: Scenario) -> str:
    if prompt.documents:
        return answer_from(prompt.documents, prompt.talk.question)
    return answer(prompt.talk, target.custom.fitted if target.custom else None, scenario)


def _said(text: str) -> _Content:
    return [{"text": text}] if text else []


def _staged(target: Target, question: str, scenario: Scenario) -> Stop | None:
    """Return how the scenario has the answer end, if it does."""
    called = target.name if target.custom else f"base {target.name}"
    for stop in scenario.stops:
        meant = stop.text in question and stop.model in called
        names = ("stop", stop.reason, called, question)
        if meant and chance.happens(scenario.seed, stop.percent, *names):
            return stop
    return None


def _stopped(text: str, stop: Stop) -> tuple[_Content, str]:
    """Return half of the answer, a guardrail's words, or nothing."""
    if stop.reason in _CUT:
        return _said(text[: (len(text) + 1) // 2]), stop.reason
    if stop.reason == "guardrail_intervened":
        return _said(_BLOCKED), stop.reason
    return [], "end_turn" if stop.reason == "empty" else stop.reason


def _forced_tool(config: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the specification of the tool that must be called."""
    specs: list[dict[str, Any]] = [
        tool["toolSpec"] for tool in config.get("tools", []) if "toolSpec" in tool
    ]
    choice = config.get("toolChoice", {})
    if "any" in choice:
        return specs[0] if specs else None
    if "tool" not in choice:
        return None
    name = choice["tool"]["name"]
    found = next((spec for spec in specs if spec["name"] == name), None)
    if found is None:
        raise ValidationError(f"The tool {name} of toolChoice is not among the tools.")
    return found


def _called(
    target: Target, prompt: Prompt, scenario: Scenario, tool: Mapping[str, Any]
) -> tuple[_Content, str]:
    schema = tool["inputSchema"].get("json")
    if not isinstance(schema, dict):
        raise ValidationError(f"The input schema of the tool {tool['name']} is no JSON object.")
    if prompt.documents:
        given, stop = _pairs(schema, prompt)
        return _use(tool["name"], given), stop
    asked = judge.Asked(target.name, schema, prompt.talk.question)
    if refusal := judge.refuses(scenario, asked):
        return _said(refusal), "end_turn"
    return _use(tool["name"], judge.judged(scenario, asked)), "tool_use"


def _pairs(schema: Mapping[str, Any], prompt: Prompt) -> tuple[dict[str, Any], str]:
    """Return the tool's input, made from the documents, and why it ends where it does."""
    found = facts(prompt.documents, prompt.talk.question, pairs_wanted(schema))
    fitting = that_fit(schema, found, prompt.max_tokens)
    stop = "tool_use" if fitting == len(found) else "max_tokens"
    return tool_input(schema, found[:fitting]), stop


def _use(name: str, given: Mapping[str, Any]) -> _Content:
    return [{"toolUse": {"toolUseId": "tooluse_offline", "name": name, "input": given}}]


def tokens_of(content: _Content) -> int:
    return count_tokens(json.dumps(content, ensure_ascii=False))
