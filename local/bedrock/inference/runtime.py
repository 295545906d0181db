"""Converse and InvokeModel: the base model, the tuned one, and the judge.

Reports of Converse's rules and words (read 2026-11-29):
https://github.com/langgenius/dify/issues/12340 (who begins),
https://github.com/langchain-ai/langchain-aws/issues/130 (roles),
https://github.com/OpenHands/OpenHands/issues/5339 (blank text),
https://github.com/earendil-works/pi/pull/3443 (no content),
https://github.com/vercel/ai/issues/2772 (too many tokens),
https://github.com/maximhq/bifrost/pull/3196 (a Llama is made to call a tool). A conversation that
ends with the assistant, which some models would continue, is refused here for all.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from typing import Any

from local.bedrock import chance
from local.bedrock.hosting import deployments
from local.bedrock.inference import targets
from local.bedrock.inference.bodies import read_body, write_body
from local.bedrock.inference.conversations import read_conversation, text_of
from local.bedrock.inference.documents import Document, read_documents
from local.bedrock.inference.replies import Prompt, reply, tokens_of
from local.bedrock.protocol import ValidationError, check_input
from local.bedrock.state import Region
from local.bedrock.tokenization import count_tokens

_LATENCY_MS, _LATENCY_MS_PER_1K_HEARD = 250.0, 60.0  # before the first token
_LATENCY_SPREAD = 0.15  # a share, as a standard deviation


def converse(region: Region, request: dict[str, Any]) -> dict[str, Any]:
    return _answered(region, targets.find(region, request["modelId"]), request)


def _answered(region: Region, target: targets.Target, request: dict[str, Any]) -> dict[str, Any]:
    messages = request.get("messages", [])
    _check_conversation(messages)
    documents = read_documents(messages, region.read)
    prompt = _prompt(request, documents)
    heard = _heard_tokens(request, documents)
    most = target.base.max_answer_tokens
    _check_limit(prompt.max_tokens, most)
    _check_tool_choice(target.base.provider, prompt.tools.get("toolChoice", {}))
    limit = prompt.max_tokens or most  # what counts against a deployment's limit
    if target.deployment:
        deployments.refuse_too_many(region, target.deployment, heard + limit)
    content, stop = reply(target, prompt, region.scenario)
    used = heard, tokens_of(content)
    if target.deployment:
        deployments.note_answer(region, target.deployment, sum(used))
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


def _check_conversation(messages: Sequence[Mapping[str, Any]]) -> None:
    """Refuse a conversation as Converse does.

    Raises
    ------
    ValidationError
        It does not begin and end with the user, roles do not alternate, or text is blank.
    """
    roles = [message["role"] for message in messages]
    if not roles or roles[0] != "user":
        raise ValidationError(
            "A conversation must start with a user message. Try again with a conversation that "
            "starts with a user message."
        )
    if any(role == before for before, role in itertools.pairwise(roles)):
        raise ValidationError(
            "A conversation must alternate between user and assistant roles. Make sure the "
            "conversation alternates between user and assistant roles and try again."
        )
    for at, message in enumerate(messages):
        _check_content(f"messages.{at}", message["content"])
    if roles[-1] != "user":
        raise ValidationError("A conversation must end with a user message.")


def _check_content(where: str, content: Sequence[Mapping[str, Any]]) -> None:
    if not content:
        raise ValidationError(
            f"The content field in the Message object at {where} is empty. Add a ContentBlock "
            "object to the content field and try again."
        )
    for at, block in enumerate(content):
        if "text" in block and not block["text"].strip():
            raise ValidationError(
                f"The text field in the ContentBlock object at {where}.content.{at} is blank. Add "
                "text to the text field, and try again."
            )


def _check_limit(asked: int | None, most: int) -> None:
    """Refuse more tokens of an answer than the model gives."""
    if asked and asked > most:
        raise ValidationError(
            f"The maximum tokens you requested exceeds the model limit of {most}. Try again with a "
            f"maximum tokens value that is lower than {most}."
        )


def _check_tool_choice(provider: str, choice: Mapping[str, Any]) -> None:
    """Refuse to make a Llama call a tool."""
    if provider == "Meta" and (forced := choice.keys() - {"auto"}):
        field = f"toolConfig.toolChoice.{min(forced)}"
        raise ValidationError(
            f"This model doesn't support the {field} field. Remove {field} and try again."
        )
