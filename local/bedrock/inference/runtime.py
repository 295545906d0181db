"""Converse and InvokeModel: the base model, the tuned one, and the judge."""

from __future__ import annotations

import json
from typing import Any

from local.bedrock import chance
from local.bedrock.hosting import rates
from local.bedrock.inference import targets
from local.bedrock.inference.bodies import read_body, write_body
from local.bedrock.inference.conversations import read_conversation, text_of
from local.bedrock.inference.documents import Document, read_documents
from local.bedrock.inference.replies import Prompt, reply, tokens_of
from local.bedrock.inference.rules import check_conversation, check_limit, check_tool_choice
from local.bedrock.protocol import check_input
from local.bedrock.state import Region
from local.bedrock.tokenization import count_tokens

_LATENCY_MS, _LATENCY_MS_PER_1K_HEARD = 250.0, 60.0  # before the first token
_LATENCY_SPREAD = 0.15  # a share, as a standard deviation


def converse(region: Region, request: dict[str, Any]) -> dict[str, Any]:
    return _answered(region, targets.find(region, request["modelId"]), request)


def _answered(region: Region, target: targets.Target, request: dict[str, Any]) -> dict[str, Any]:
    messages = request.get("messages", [])
    check_conversation(messages)
    documents = read_documents(messages, region.read)
    prompt = _prompt(request, documents)
    heard = _heard_tokens(request, documents)
    most = target.base.max_answer_tokens
    check_limit(prompt.max_tokens, most)
    check_tool_choice(target.base.provider, prompt.tools.get("toolChoice", {}))
    limit = prompt.max_tokens or most  # what counts against a deployment's limit
    if target.deployment:
        rates.refuse_beyond(region, target.deployment, heard + limit)
    content, stop = reply(target, prompt, region.scenario)
    used = heard, tokens_of(content)
    if target.deployment:
        rates.note(region, target.deployment, sum(used))
    region.meter.infer(target.name, target.price, used)
    return {
        "output": {"message": {"role": "assistant", "content": content}},
        "stopReason": stop,
        "usage": {
            "inputTokens": used[0],
            "outputTokens": used[1],
            "totalTokens": sum(used),
        },
        "metrics": {"latencyMs": _latency_ms(region, target, prompt, used)},
    }


def _prompt(request: dict[str, Any], documents: list[Document]) -> Prompt:
    config = request.get("inferenceConfig", {})
    return Prompt(
        read_conversation(request["messages"], request.get("system", [])),
        documents,
        request.get("toolConfig", {}),
        config.get("maxTokens"),
        config.get("stopSequences", ()),
    )


def _latency_ms(
    region: Region, target: targets.Target, prompt: Prompt, tokens: tuple[int, int]
) -> int:
    """Return what such a model takes for so many tokens, more or less, by content."""
    heard, said = tokens
    usual = _LATENCY_MS + heard * _LATENCY_MS_PER_1K_HEARD / 1000 + said * target.base.ms_per_token
    names = ("latency", target.name, prompt.talk.question)
    return round(usual * (1 + _LATENCY_SPREAD * chance.normal(region.scenario.seed, *names)))


def invoke(region: Region, request: dict[str, Any]) -> dict[str, Any]:
    """Answer in the format of the model's family, in which the body has to be."""
    target = targets.find(region, request["modelId"])
    provider = target.base.provider
    plain = {**read_body(provider, request["body"]), "modelId": request["modelId"]}
    check_input("bedrock-runtime", "Converse", plain)
    return {"body": write_body(provider, _answered(region, target, plain))}


def _heard_tokens(request: dict[str, Any], documents: list[Document]) -> int:
    heard = [text_of(message["content"]) for message in request["messages"]]
    tools = [json.dumps(request["toolConfig"])] if request.get("toolConfig") else []
    read = (document.text for document in documents)
    return count_tokens(" ".join([text_of(request.get("system", [])), *heard, *tools, *read]))
