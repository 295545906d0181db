"""InvokeModel's bodies of the catalogue's families, and what is wrong with others."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.offline_bedrock import Account

HAIKU = "anthropic.claude-3-haiku-20240307-v1:0"
NOVA, LLAMA = "us.amazon.nova-pro-v1:0", "meta.llama3-1-8b-instruct-v1:0"
VERSION = "bedrock-2023-05-31"
HELLO = {"role": "user", "content": "What is a hub?"}
BLOCKS = {"role": "user", "content": [{"text": "What is a hub?"}]}


def invoke(model: str, body: Any) -> Any:
    sent = body if isinstance(body, bytes) else json.dumps(body)
    return json.loads(Account().runtime.invoke_model(modelId=model, body=sent)["body"].read())


def test_claude_answers_with_its_messages() -> None:
    body = {
        "anthropic_version": VERSION,
        "max_tokens": 20,
        "system": "Be brief.",
        "messages": [HELLO],
        "stop_sequences": ["meant"],
    }
    answer = invoke(HAIKU, body)
    assert answer["stop_reason"] == "stop_sequence"
    assert answer["content"] == [{"type": "text", "text": "That depends on what is "}]
    assert answer["usage"]["output_tokens"] > 0
    blocks = [{"type": "text", "text": "What is a hub?"}]
    same = invoke(HAIKU, {**body, "messages": [{"role": "user", "content": blocks}]})
    assert same["content"] == answer["content"]


def test_nova_answers_as_converse_does() -> None:
    body = {"messages": [BLOCKS], "inferenceConfig": {"max_new_tokens": 5}}
    answer = invoke(NOVA, body)
    assert answer["stopReason"] == "max_tokens"
    assert answer["output"]["message"]["role"] == "assistant"
    assert answer["usage"]["totalTokens"] > answer["usage"]["outputTokens"]


def test_llama_completes_a_prompt_of_turns() -> None:
    def turn(role: str, text: str) -> str:
        return f"<|start_header_id|>{role}<|end_header_id|>\n\n{text}<|eot_id|>"

    prompt = (
        "<|begin_of_text|>"
        + turn("system", "Be brief.")
        + turn("user", "My number is 4711.")
        + turn("assistant", "Noted.")
        + turn("user", "What is my number?")
        + "<|start_header_id|>assistant<|end_header_id|>\n\n"
    )
    answer = invoke(LLAMA, {"prompt": prompt})
    assert "4711" in answer["generation"]
    assert answer["stop_reason"] == "stop"
    assert invoke(LLAMA, {"prompt": "What is a hub?", "max_gen_len": 3})["stop_reason"] == "length"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "body", "said"),
    [
        (HAIKU, b"{", "Malformed input request, please reformat"),
        (HAIKU, b"\xff", "Malformed input request, please reformat"),
        (HAIKU, b"[]", "#: expected type: JSONObject, found: JSONArray,"),
        (HAIKU, {"anthropic_version": VERSION, "messages": [HELLO]},
         r"#: required key \[max_tokens\] not found, please"),
        (HAIKU, {"messages": [BLOCKS]}, r"required key \[anthropic_version\] not found"),
        (HAIKU, {"anthropic_version": "1", "max_tokens": 1, "messages": [HELLO]},
         "#/anthropic_version: 1 is not a valid enum value"),
        (HAIKU, {"anthropic_version": VERSION, "max_tokens": 0, "messages": [HELLO]},
         "#/max_tokens: 0 is not greater or equal to 1"),
        (HAIKU, {"anthropic_version": VERSION, "max_tokens": 1, "messages": []},
         "#/messages: expected minimum item count: 1, found: 0"),
        (HAIKU, {"anthropic_version": VERSION, "max_tokens": 1, "messages": [{"role": "user"}]},
         r"#/messages/0: required key \[content\] not found"),
        (HAIKU, {"anthropic_version": VERSION, "max_tokens": 1,
                 "messages": [{"role": "user", "content": [{"type": "image"}]}]},
         "#/messages/0/content/0: only text"),
        (HAIKU, {"anthropic_version": VERSION, "max_tokens": 1, "messages": [HELLO, HELLO]},
         "must alternate"),
        (NOVA, {"messages": [HELLO]},
         "#/messages/0/content: expected type: JSONArray, found: String"),
        (NOVA, {"messages": [BLOCKS], "max_tokens": 5},
         r"#: extraneous key \[max_tokens\] is not permitted, please"),
        (NOVA, {"messages": [BLOCKS], "inferenceConfig": {"topP": 2}}, "2 is not less or"),
        (NOVA, {"inputText": "x"},
         r"required key \[messages\] not found.*extraneous key \[inputText\]|extraneous.*required"),
        (LLAMA, {"messages": [BLOCKS]}, r"\[messages\] is not permitted"),
        (LLAMA, {"prompt": 5}, "#/prompt: expected type: String, found: Integer"),
        (LLAMA, {"prompt": " "}, "is blank"),
        (NOVA, {"messages": [BLOCKS], "toolConfig": {"tools": None}}, "toolConfig.tools"),
    ],
)  # fmt: skip
def test_a_wrong_body_is_a_validation_error_that_says_where(
    model: str, body: Any, said: str
) -> None:
    with pytest.raises(ClientError, match=said) as error:
        invoke(model, body)
    assert error.value.response["Error"]["Code"] == "ValidationException"


PARTS = [
    *("messages", "system", "prompt", "role", "user", "assistant", "content", "text", "toolConfig"),
    *("tools", "toolSpec", "toolChoice", "tool", "inferenceConfig", "maxTokens", "max_tokens"),
    *("anthropic_version", VERSION, "stop_sequences", "toolUse", "document"),
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 9) | st.sampled_from(PARTS) | st.text(max_size=3),
    lambda each: (
        st.lists(each, max_size=3) | st.dictionaries(st.sampled_from(PARTS), each, max_size=4)
    ),
)
OPEN = {
    HAIKU: {"anthropic_version": VERSION, "max_tokens": 9, "messages": [HELLO]},
    NOVA: {"messages": [BLOCKS]},
    LLAMA: {"prompt": "What is a hub?"},
}
ACCOUNT = Account()


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(st.sampled_from([HAIKU, NOVA, LLAMA]), JSON, st.sampled_from(PARTS))
def test_no_body_makes_an_error_of_ours(model: str, part: Any, name: str) -> None:
    for body in (part, {**OPEN[model], name: part}):
        try:
            ACCOUNT.runtime.invoke_model(modelId=model, body=json.dumps(body))
        except ClientError as error:
            assert error.response["Error"]["Code"] == "ValidationException", error  # noqa: PT017  # either is right
