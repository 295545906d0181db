"""Converse and InvokeModel: the base model, the tuned one, and the judge."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from local.bedrock.catalogue import ModelSpec, by_model_id, without_profile
from local.bedrock.foundation_models import shown
from local.bedrock.hosting import deployments, rates, throughputs
from local.bedrock.inference.document_qa import (
    answer_from,
    facts,
    pairs_wanted,
    that_fit,
    tool_input,
)
from local.bedrock.inference.documents import Document, read_documents
from local.bedrock.inference.generation import answer_base, answer_tuned
from local.bedrock.inference.judge import is_review, judge_correctness, review
from local.bedrock.meter import INCLUDED, TokenPrice
from local.bedrock.model_access import refuse_without_access
from local.bedrock.protocol import NotFound, ServiceError, ValidationError
from local.bedrock.state import CustomModel, CustomModelDeployment, Region
from local.bedrock.tokenization import count_tokens

_INVALID = "The provided model identifier is invalid."
_LATENCY_MS = 400
_MOST_ANSWER_TOKENS = 10_000  # of Nova: what counts against a limit where maxTokens is not set


@dataclass(frozen=True)
class _Target:
    """The model that answers and its price, whether it is a custom one, and in a deployment."""

    name: str
    price: TokenPrice | None
    custom: CustomModel | None = None
    deployment: CustomModelDeployment | None = None


def converse(region: Region, request: dict[str, Any]) -> dict[str, Any]:
    target = _target(region, request["modelId"])
    messages = request.get("messages", [])
    if not messages or messages[-1]["role"] != "user":
        raise ValidationError("A conversation must end with a user message.")
    documents = read_documents(messages, region.read)
    asked = _text(messages[-1]["content"])
    heard = _heard_tokens(request, documents)
    limit = request.get("inferenceConfig", {}).get("maxTokens", _MOST_ANSWER_TOKENS)
    if target.deployment:
        rates.refuse_beyond(region, target.deployment, heard + limit)
    content, stop = _reply(target, request, asked, documents)
    used = heard, count_tokens(json.dumps(content))
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
        "metrics": {"latencyMs": _LATENCY_MS},
    }


def invoke(region: Region, request: dict[str, Any]) -> dict[str, Any]:
    """Answer in the format of Claude's messages or of Nova's, as the body asks."""
    body = json.loads(request["body"])
    claude = "anthropic_version" in body
    limit = body.get("max_tokens") or body.get("inferenceConfig", {}).get("maxTokens", 512)
    system = body.get("system", "")
    plain = {
        "modelId": request["modelId"],
        "messages": [
            {"role": turn["role"], "content": _blocks(turn["content"])} for turn in body["messages"]
        ],
        "system": _blocks(system) if system else [],
        "inferenceConfig": {"maxTokens": limit},
    }
    done = converse(region, plain)
    usage = {
        "input_tokens": done["usage"]["inputTokens"],
        "output_tokens": done["usage"]["outputTokens"],
    }
    if not claude:
        return {
            "body": json.dumps({k: done[k] for k in ("output", "stopReason", "usage")}).encode()
        }
    text = [{"type": "text", **block} for block in done["output"]["message"]["content"]]
    answer = {"type": "message", "role": "assistant", "content": text, "usage": usage}
    return {"body": json.dumps({**answer, "stop_reason": done["stopReason"]}).encode()}


def _blocks(content: Any) -> list[dict[str, str]]:  # noqa: ANN401  # text or blocks
    if isinstance(content, str):
        return [{"text": content}]
    return [{"text": str(block["text"])} for block in content]


def _text(content: list[dict[str, Any]]) -> str:
    return " ".join(block.get("text", "") for block in content)


def _heard_tokens(request: dict[str, Any], documents: list[Document]) -> int:
    system = " ".join(block.get("text", "") for block in request.get("system", []))
    heard = [_text(message["content"]) for message in request["messages"]]
    tools = [json.dumps(request["toolConfig"])] if "toolConfig" in request else []
    return count_tokens(
        " ".join([system, *heard, *tools, *(document.text for document in documents)])
    )


def _target(region: Region, identifier: str) -> _Target:
    if ":provisioned-model/" in identifier or ":custom-model-deployment/" in identifier:
        return _hosted(region, identifier)
    profile, model = _base_model(region, identifier)
    refuse_without_access(region, model)
    return _Target(model.name, model.price_through(profile))


def _base_model(region: Region, identifier: str) -> tuple[str, ModelSpec]:
    """Return the profile's prefix, or none, and the model that the region serves by it.

    The words of the refusals: reports in https://github.com/mlcommons/modelbench/issues/1654 and
    https://github.com/strands-agents/harness-sdk/issues/38 (read 2026-11-28).
    """
    arn, _, resource = identifier.rpartition("/")
    prefix, bare = without_profile(resource)
    model = by_model_id(bare)
    elsewhere = arn and arn.split(":")[3] != region.name
    if model is None or elsewhere or not shown(region, model):
        raise ValidationError(_INVALID)
    if bare == model.customization_id:
        raise _needs_throughput(model)
    served = model.profiles.get(prefix, ()) if prefix else model.on_demand
    if region.name not in served:
        by_profile = not prefix and model.called_from(region.name)
        raise _not_on_demand(identifier) if by_profile else ValidationError(_INVALID)
    return prefix, model


def _needs_throughput(model: ModelSpec) -> ServiceError:
    """Refuse an id with a context length, which takes throughput."""
    if model.on_demand:
        return NotFound("Model not found.")
    return ValidationError("The provided model doesn't support on-demand throughput.")


def _not_on_demand(identifier: str) -> ServiceError:
    return ValidationError(
        f"Invocation of model ID {identifier} with on-demand throughput isn\u2019t supported. "
        "Retry your request with the ID or ARN of an inference profile that contains this model."
    )


def _hosted(region: Region, identifier: str) -> _Target:
    try:
        if ":custom-model-deployment/" in identifier:
            return _deployed(region, deployments.find(region, identifier))
        throughput = throughputs.find(region, identifier)
    except NotFound:
        raise ValidationError(_INVALID) from None
    if throughput.status != "InService":
        raise _not_ready()
    if throughput.custom is None:
        return _Target(throughput.base.name, INCLUDED)
    return _Target(f"tuned {throughput.base.name}", INCLUDED, throughput.custom)


def _deployed(region: Region, deployment: CustomModelDeployment) -> _Target:
    if deployment.status != "Active":
        raise _not_ready()
    if deployment.not_ready_answers < region.scenario.not_ready_calls:
        deployment.not_ready_answers += 1
        raise _not_ready()
    custom, base = deployment.custom, deployment.custom.job.base
    return _Target(f"tuned {base.name}", base.token_price, custom, deployment)


def _not_ready() -> ServiceError:
    return ServiceError(
        "ModelNotReadyException", "The model is not ready for serving requests.", 429
    )


def _reply(
    target: _Target, request: dict[str, Any], asked: str, documents: list[Document]
) -> tuple[list[dict[str, Any]], str]:
    limit = request.get("inferenceConfig", {}).get("maxTokens")
    tool = _forced_tool(request.get("toolConfig", {}))
    if tool:
        schema = tool["inputSchema"]["json"]
        given, stop = (
            _pairs(schema, documents, asked, limit)
            if documents
            else (_judged(schema, asked), "tool_use")
        )
        use = {"toolUseId": "tooluse_offline", "name": tool["name"], "input": given}
        return [{"toolUse": use}], stop
    text = _answer(target, asked, documents)
    words = text.split()
    if limit and count_tokens(text) > limit:
        return [{"text": " ".join(words[: max(1, int(limit / 1.3))])}], "max_tokens"
    return [{"text": text}], "end_turn"


def _answer(target: _Target, asked: str, documents: list[Document]) -> str:
    if documents:
        return answer_from(documents, asked)
    return answer_tuned(target.custom.fitted, asked) if target.custom else answer_base(asked)


def _forced_tool(config: dict[str, Any]) -> dict[str, Any] | None:
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


def _pairs(
    schema: dict[str, Any], documents: list[Document], asked: str, limit: int | None
) -> tuple[dict[str, Any], str]:
    """Return the tool's input, made from the documents, and why it ends where it does."""
    found = facts(documents, asked, pairs_wanted(schema))
    fitting = that_fit(schema, found, limit)
    stop = "tool_use" if fitting == len(found) else "max_tokens"
    return tool_input(schema, found[:fitting]), stop


def _judged(schema: dict[str, Any], asked: str) -> dict[str, Any]:
    if is_review(schema):
        return review(*(_tagged(asked, tag) for tag in ("system_prompt", "prompt", "answer")))
    if "better" in schema.get("properties", {}):
        return _preferred(asked)
    return _judge(asked)


def _preferred(asked: str) -> dict[str, Any]:
    question, reference = (_tagged(asked, tag) for tag in ("question", "reference_answer"))
    first, second = (
        judge_correctness(question, reference, _tagged(asked, tag))
        for tag in ("first_answer", "second_answer")
    )
    if first[0] == second[0]:
        return {"better": "equal", "reason": "Both say as much of the reference answer."}
    better, (_, lacking) = ("first", second) if first[0] > second[0] else ("second", first)
    return {"better": better, "reason": f"The other: {lacking}"}


def _judge(asked: str) -> dict[str, Any]:
    parts = [_tagged(asked, tag) for tag in ("question", "reference_answer", "answer")]
    score, reason = judge_correctness(*parts)
    return {"score": score, "reason": reason}


def _tagged(text: str, tag: str) -> str:
    found = re.search(rf"<({tag}-[0-9a-f]{{8}})>(.*?)</\1>", text, re.DOTALL)
    return found[2].strip() if found else ""
