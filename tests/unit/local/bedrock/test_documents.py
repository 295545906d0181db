"""Documents in Converse: refused by Bedrock's rules, and otherwise really read."""

from __future__ import annotations

import functools
import re
from typing import Any

import jsonschema
import pytest
from botocore.exceptions import ClientError

from tests.fakes.documents import pdf_of, sentence, text_of
from tests.fakes.offline_bedrock import BUCKET, Account

an_account = functools.cache(Account)  # what reads documents has no state
NOVA = "us.amazon.nova-pro-v1:0"
SCHEMA = {
    "type": "object",
    "properties": {
        "pairs": {
            "type": "array",
            "maxItems": 4,
            "items": {
                "type": "object",
                "properties": {
                    "question": {"type": "string"},
                    "answer": {"type": "string"},
                    "evidence": {"type": "string"},
                    "topic": {"type": "string"},
                    "level": {"enum": ["easy", "hard"]},
                },
                "required": ["question", "answer", "evidence", "topic", "level"],
                "additionalProperties": False,
            },
        }
    },
    "required": ["pairs"],
}


def document(content: bytes, kind: str = "txt", name: str = "Manual (2) [a]-b") -> dict[str, Any]:
    return {"document": {"format": kind, "name": name, "source": {"bytes": content}}}


def converse(*blocks: dict[str, Any], account: Account | None = None, **more: Any) -> Any:
    runtime = (account or an_account()).runtime
    return runtime.converse(modelId=NOVA, messages=[{"role": "user", "content": [*blocks]}], **more)


def pairs(
    *blocks: dict[str, Any], said: str = "Write pairs.", most: int = 4, **more: Any
) -> list[dict[str, str]]:
    schema: Any = {**SCHEMA, "properties": {"pairs": {**SCHEMA["properties"]["pairs"]}}}  # type: ignore[index]  # JSON
    schema["properties"]["pairs"]["maxItems"] = most
    tools = {
        "tools": [{"toolSpec": {"name": "record", "inputSchema": {"json": schema}}}],
        "toolChoice": {"tool": {"name": "record"}},
    }
    answer = converse(*blocks, {"text": said}, toolConfig=tools, **more)
    [block] = answer["output"]["message"]["content"]
    assert block["toolUse"]["name"] == "record"
    jsonschema.validate(block["toolUse"]["input"], schema)
    found: list[dict[str, str]] = block["toolUse"]["input"]["pairs"]
    return found


def refused(*blocks: dict[str, Any], **more: Any) -> str:
    with pytest.raises(ClientError) as error:
        converse(*blocks, **more)
    assert error.value.response["Error"]["Code"] == "ValidationException"
    said: str = error.value.response["Error"]["Message"]
    return said


def squeezed(text: str) -> str:
    return re.sub(r"\W+", "", text.lower())


def test_different_documents_give_different_pairs_of_their_own_words() -> None:
    first, second = text_of(range(8)), text_of(range(20, 28))
    for text, other in ((first, second), (second, first)):
        found = pairs(document(text.encode()))
        assert len(found) == 4
        for pair in found:
            assert pair["evidence"] in text
            assert pair["evidence"] not in other
            assert pair["evidence"] in pair["answer"]
            assert pair["question"].endswith("?")
        assert len({pair["question"] for pair in found}) == 4


def test_a_pdf_is_read_page_by_page() -> None:
    content = pdf_of([[sentence(1)], [sentence(2)], [sentence(3)]])
    found = pairs(document(content, "pdf"), most=3)
    assert [pair["evidence"] for pair in found] == [sentence(1), sentence(2), sentence(3)]


def test_html_is_read_as_shown() -> None:
    html = (
        "<html><head><title>No text of the page is here at all.</title></head><body>"
        "<script>var a = 'The script is a sentence that nobody sees on the page.';</script>"
        f"<h2>Cold water</h2><p>{sentence(1).replace('pump', '<b>pump</b>')}</p></body></html>"
    )
    [pair] = pairs(document(html.encode(), "html"))
    assert squeezed(pair["evidence"]) == squeezed(sentence(1))
    assert pair["topic"] == "Cold water"


def test_markdown_headings_are_topics_and_tables_and_code_no_sentences() -> None:
    markdown = (
        f"# Machines\n\n| a | b |\n|---|---|\n\n## Water\n\n- {sentence(1)}\n- {sentence(2)}\n\n"
        f"## Heat\n\n{sentence(3)}\n"
    )
    found = pairs(document(markdown.encode(), "md"))
    assert [(pair["topic"], pair["evidence"]) for pair in found] == [
        ("Water", sentence(1)),
        ("Water", sentence(2)),
        ("Heat", sentence(3)),
    ]


def test_japanese_is_asked_about_in_japanese() -> None:
    text = (
        "プロビジョンドスループットは、モデルを一定の処理能力で提供する購入方式です。"
        "コミットメントなしの場合は、いつでも削除できます。"
    )
    found = pairs(document(text.encode()))
    assert {pair["evidence"] for pair in found} <= set(re.findall(r"[^。]+。", text))
    assert len(found) == 2
    assert all(re.search(r"[ぁ-ん]", pair["question"]) for pair in found)


def test_what_has_been_asked_is_not_asked_again() -> None:
    block = document(text_of(range(6)).encode())
    first = pairs(block, most=3)
    said = "Not these:\n" + "\n".join(f"- {pair['question']}" for pair in first)
    second = pairs(block, said=said, most=6)
    assert len(second) == 3
    assert not {pair["evidence"] for pair in first} & {pair["evidence"] for pair in second}


def test_reading_is_metered_by_the_documents_length() -> None:
    account = Account()

    def tokens(length: int) -> int:
        answer = converse(
            document(text_of(range(length)).encode()), {"text": "What is it?"}, account=account
        )
        used: int = answer["usage"]["inputTokens"]
        return used

    short, long = tokens(10), tokens(40)
    more_characters = len(text_of(range(40))) - len(text_of(range(10)))
    assert long - short == pytest.approx(more_characters / 4, abs=1)
    [billed] = account.bedrock.snapshot()["meter"]["items"]
    assert billed["quantity"] > short + long


def test_an_answer_that_does_not_fit_has_fewer_pairs() -> None:
    tool = {
        "tools": [{"toolSpec": {"name": "record", "inputSchema": {"json": SCHEMA}}}],
        "toolChoice": {"any": {}},
    }
    answer = converse(
        document(text_of(range(8)).encode()),
        {"text": "Write pairs."},
        toolConfig=tool,
        inferenceConfig={"maxTokens": 250},
    )
    assert answer["stopReason"] == "max_tokens"
    [block] = answer["output"]["message"]["content"]
    assert 1 <= len(block["toolUse"]["input"]["pairs"]) < 4


def test_a_question_is_answered_from_the_document() -> None:
    question = {"text": "What does the turbine of the warehouse do?"}
    answer = converse(document(text_of(range(20)).encode()), question)
    assert sentence(3) in answer["output"]["message"]["content"][0]["text"]


def test_a_document_in_s3_is_read_there() -> None:
    account = Account()
    account.objects.stored["manual.txt"] = sentence(1).encode()
    source = {"s3Location": {"uri": f"s3://{BUCKET}/manual.txt"}}
    block = {"document": {"format": "txt", "name": "manual", "source": source}}
    assert pairs(block, account=account)[0]["evidence"] == sentence(1)


@pytest.mark.parametrize("name", ["a.pdf", "two  spaces", "résumé", "under_score", "tab\there"])
def test_names_are_held_to_bedrocks_characters(name: str) -> None:
    said = refused(document(b"text", name=name), {"text": "?"})
    assert said.startswith("The document file name can only contain alphanumeric characters")


def test_documents_are_held_to_bedrocks_limits() -> None:
    text = {"text": "What is it?"}
    assert "maximum of 5" in refused(*[document(b"text")] * 6, text)
    assert "at most 4500000" in refused(document(b"a" * 4_500_001), text)
    assert "text block must be included" in refused(document(b"text"))
    user, assistant = (
        {"role": role, "content": [text, document(b"text")]} for role in ("user", "assistant")
    )
    with pytest.raises(ClientError, match="user role"):
        an_account().runtime.converse(modelId=NOVA, messages=[user, assistant, user])


@pytest.mark.parametrize(
    ("content", "kind", "says"),
    [
        (b"no PDF at all", "pdf", "The PDF specified was not valid"),
        (b"%PDF-1.4\n1 0 obj\n<<", "pdf", "The PDF specified was not valid"),
        (b"\xff\xfe\x00", "txt", "could not be parsed as the specified format"),
        (b"PK", "docx", "reads pdf, html, txt, md, csv only"),
        (b"text", "rtf", "enum value set"),
    ],
)
def test_what_cannot_be_read_is_refused(content: bytes, kind: str, says: str) -> None:
    assert says in refused(document(content, kind), {"text": "?"})


def test_a_forced_tool_must_be_one_of_the_tools() -> None:
    tool = {
        "tools": [{"toolSpec": {"name": "record", "inputSchema": {"json": SCHEMA}}}],
        "toolChoice": {"tool": {"name": "other"}},
    }
    assert "other" in refused(document(b"text"), {"text": "?"}, toolConfig=tool)
