"""`python -m dataset generate`, with the offline Bedrock behind a real client, and no socket."""

from __future__ import annotations

import contextlib
import functools
import io
import json
import math
import os
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, NoCredentialsError, ReadTimeoutError
from hypothesis import given
from hypothesis import strategies as st
from pypdf import PdfReader, PdfWriter
from pypdf.generic import DictionaryObject, NameObject, StreamObject

from dataset.__main__ import main
from dataset.commands import generate
from dataset.commands.generate import path_beside
from dataset.generation import session
from dataset.generation import text_matching as matching
from dataset.generation.checks import REASONS, KeptPairs, Refusal, read_pairs
from dataset.generation.request import GenerationTask
from dataset.sources import documents
from dataset.sources.sections import Section
from lambdas.validation.formats.pairs import pair_keys
from local.bedrock import Fault, Scenario
from tests.article import ARTICLE, needs_article
from tests.fakes.documents import pdf_of, sentence, text_of
from tests.fakes.offline_bedrock import Account

Request = dict[str, Any]


an_account = functools.cache(Account)  # what reads documents has no state


class Spy:
    """A client that notes each request; `before` may fail instead of the model."""

    def __init__(
        self, client: Any = None, before: Callable[[int], BaseException | None] = lambda _: None
    ) -> None:
        self.client = client or an_account().runtime
        self.before = before
        self.requests: list[Request] = []
        self.answered: list[str] = []
        self.tokens = 0

    def converse(self, **request: Any) -> Any:
        self.requests.append(request)
        error = self.before(len(self.requests))
        if error:
            raise error
        answer = self.client.converse(**request)
        self.answered.append(repr(request))
        self.tokens += answer["usage"]["totalTokens"]
        return answer


class Scripted:
    """A model that says what it is told to, one list of pairs for each request."""

    def __init__(self, *answers: Any, stop: str = "tool_use") -> None:
        self.answers, self.stop = [*answers], stop
        self.requests: list[Request] = []

    def converse(self, **request: Any) -> Any:
        self.requests.append(request)
        given = self.answers.pop(0) if self.answers else []
        value = {"pairs": given} if isinstance(given, list) else given
        use = {"toolUseId": "t", "name": "record_pairs", "input": value}
        return {
            "output": {"message": {"role": "assistant", "content": [{"toolUse": use}]}},
            "stopReason": self.stop,
            "usage": {"inputTokens": 1000, "outputTokens": 100, "totalTokens": 1100},
        }


class Ran:
    """What a command left."""

    def __init__(self, status: int, said: str, out: Path) -> None:
        self.status, self.said, self.out = status, said, out
        text = out.read_text(encoding="utf-8") if out.is_file() else "[]"
        self.pairs: list[dict[str, str]] = json.loads(text)

    @property
    def journal(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in path_beside(self.out).read_text().splitlines()]


def run(bedrock: Any, out: Path, *sources: Path, pairs: int = 10, **more: object) -> Ran:
    """Run the command; `more` are its options, `_` for `-`."""
    named = {"region": "us-west-2", "pairs": pairs, **more}
    options = [
        word
        for name, value in named.items()
        if value is not None
        for word in (f"--{name.replace('_', '-')}", str(value))
    ]
    said = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stderr(said):
        patch.setattr(generate, "runtime_client", lambda _: bedrock)
        try:
            status = main(["generate", *map(str, sources), str(out), *options])
        except SystemExit as ended:  # argparse's way to refuse an option
            status = int(ended.code or 0)
    return Ran(status, said.getvalue(), out)


def saved(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.fixture
def manual(tmp_path: Path) -> Path:
    """Return a document of one section with 40 facts."""
    return saved(tmp_path, "Manual v1.2.txt", text_of(range(40)))


@pytest.fixture
def handbook(tmp_path: Path) -> Path:
    """Return a document of several sections, with five facts each under twelve headings."""
    filler = "It is checked again in spring. " * 120
    chapters = (
        f"## Chapter {chapter}\n\n{text_of(range(chapter * 5, chapter * 5 + 5))}\n\n{filler}"
        for chapter in range(12)
    )
    return saved(tmp_path, "handbook.md", "# Handbook\n\n" + "\n\n".join(chapters))


def pair(number: int, **other: str) -> dict[str, str]:
    """Return a good pair on a fact of `made_documents`."""
    fact = sentence(number)
    good = {
        "question": f"What is known of machine {number} of {fact.split(' of ')[1].split(',')[0]}?",
        "answer": fact,
        "quote": fact,
        "topic": fact.split()[1],
    }
    return {**good, **other}


# What is asked for


def test_the_request_carries_document_tool_and_schema(manual: Path, tmp_path: Path) -> None:
    spy = Spy()
    ran = run(spy, tmp_path / "out.json", manual, pairs=7, language="ja-JP")
    [request, *_] = spy.requests
    assert request["modelId"] == "us.amazon.nova-pro-v1:0"
    [message] = request["messages"]
    assert message["content"][0]["document"] == {
        "format": "txt",
        "name": "Manual v1 2",
        "source": {"bytes": manual.read_bytes()},
    }
    assert message["content"][1]["text"].startswith("Write 7 question-answer pairs")
    assert "the language with the code ja-JP" in message["content"][1]["text"]
    config = request["toolConfig"]
    assert config["toolChoice"] == {"tool": {"name": config["tools"][0]["toolSpec"]["name"]}}
    schema = config["tools"][0]["toolSpec"]["inputSchema"]["json"]
    assert schema["properties"]["pairs"]["maxItems"] == 7
    assert schema["properties"]["pairs"]["items"]["required"] == [
        "question",
        "answer",
        "quote",
        "topic",
    ]
    # The offline model does not translate, so that no pair is in Japanese.
    assert ran.status == 1
    assert "language: in another language than requested" in ran.said


@pytest.mark.parametrize(
    ("stem", "name"),
    [
        ("Report_2026 (final) [v2]-a", "Report 2026 (final) [v2]-a"),
        ("  a..b  ", "a b"),
        ("運用手順", "document"),
        ("\uff21\uff22\u3000\uff11", "AB 1"),
        ("x" * 300, "x" * 200),
    ],
)
def test_document_names_keep_bedrocks_characters(stem: str, name: str) -> None:
    section = Section(f"{stem}.pdf", "whole", "txt", b"", "", "")
    assert section.name == name


def test_prompt_and_model_are_configurable_and_the_rules_stay(manual: Path, tmp_path: Path) -> None:
    prompt = saved(tmp_path, "prompt.txt", "Ask as a new colleague would.")
    spy = Spy()
    model = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
    ran = run(spy, tmp_path / "out.json", manual, pairs=2, prompt_file=prompt, writer=model)
    system = spy.requests[0]["system"][0]["text"]
    assert system.startswith("Ask as a new colleague would.\n\nRules that always hold")
    assert spy.requests[0]["modelId"] == model
    assert "Cost:    no price is known" in ran.said


# What is kept


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["txt", "md", "html", "pdf"])
def test_pairs_are_really_from_the_document(kind: str, tmp_path: Path) -> None:
    facts = [sentence(number) for number in range(30)]
    content: dict[str, str | bytes] = {
        "txt": "\n\n".join(facts),
        "md": "# Machines\n\n" + "\n".join(f"- **{fact[:8]}**{fact[8:]}" for fact in facts),
        "html": "<h1>Machines</h1>" + "".join(f"<p>{fact}</p>" for fact in facts),
        "pdf": pdf_of([facts[at : at + 5] for at in range(0, 30, 5)]),
    }
    source = saved(tmp_path, f"machines.{kind}", content[kind])
    ran = run(Spy(), tmp_path / "out.json", source, pairs=20)
    assert ran.status == 0, ran.said
    assert len(ran.pairs) == 20
    assert len({each["question"] for each in ran.pairs}) == 20
    for each in ran.pairs:
        assert matching.squeezed(each["quote"]) in {matching.squeezed(fact) for fact in facts}
        assert each["document"] == source.name
        assert pair_keys(each) == ("question", "answer")


def test_different_documents_give_different_pairs(tmp_path: Path) -> None:
    first = saved(tmp_path, "a.txt", text_of(range(10)))
    second = saved(tmp_path, "b.txt", text_of(range(30, 40)))
    ran = run(Spy(), tmp_path / "out.json", first, second, pairs=12)
    assert {each["document"] for each in ran.pairs} == {"a.txt", "b.txt"}
    for each in ran.pairs:
        assert each["quote"] in (tmp_path / each["document"]).read_text()


REFUSED = {
    "quote-not-found": pair(3, quote="The turbine is replaced by the vendor every nine years."),
    "quote-short": pair(3, quote="The pump"),
    "number-not-quoted": pair(3, answer=sentence(3).replace("103", "104")),
    "not-covered": pair(3, answer="Penguins adore swimming beneath Antarctic glaciers happily."),
    "language": pair(
        3, question="タービンは何をしますか。", answer="蒸気を作る機械であり、検査があります。"
    ),
    "schema": pair(3) | {"topic": ""},
    "duplicate": pair(2, question=pair(2)["question"].upper()),
    "open-document": pair(3, question="According to the text, what does the turbine do?"),
    "same-answer": pair(2, question="Which inspection concerns the boiler mentioned?"),
}


@pytest.mark.parametrize("code", REFUSED)
def test_a_bad_pair_is_refused_and_asked_for_again(code: str, manual: Path, tmp_path: Path) -> None:
    model = Scripted([pair(2), REFUSED[code]], [pair(5)])
    ran = run(model, tmp_path / "out.json", manual, pairs=2, language="en")
    assert [each["quote"] for each in ran.pairs] == [sentence(2), sentence(5)]
    assert ran.status == 0
    assert f"1 {code}: {REASONS[code]}" in ran.said
    first, second = (each["messages"][0]["content"][1]["text"] for each in model.requests)
    assert first.startswith("Write 2 question-answer pairs")
    assert second.startswith("Write 1 question-answer pairs")
    assert pair(2)["question"] in second
    assert "refused" in second


@pytest.mark.parametrize(
    "text",
    [
        "According to the text, when is it due?",
        "Based on the given passage, when is it due?",
        "When is it due, as described in the document?",
        "What does the author say about pumps?",
        "What does this section explain?",
        "It is due on Monday, as stated in this report.",
        "What is listed in section 3?",
        "See Table 2.1 for the limits.",
        "Which limits does the following table have?",
        "本文によると、いつですか。",
        "この文書では何が説明されていますか。",
        "第3章では何が述べられていますか。",
        "上記の表の値はいくつですか。",
        "図2に示すとおりです。",
        "資料に記載されています。",
    ],
)
def test_what_needs_the_document_open_is_refused(text: str, manual: Path) -> None:
    [section] = documents.read_sections(manual)
    for changed in (pair(3, question=text), pair(3, answer=f"{sentence(3)} {text}")):
        refusal = KeptPairs().take(section, changed)
        assert isinstance(refusal, Refusal)
        assert refusal.code == "open-document"


@pytest.mark.parametrize(
    "text",
    [
        "How do I upload a document to the knowledge base?",
        "Which clause of section 230 of the Act protects hosts?",
        "What happens to the text in a document that is too long?",
        "Which table does DynamoDB create in this context?",
        "Which page shows the status of a job?",
        "メールの本文はどこに書きますか。",
        "会計資料に基づいて何を計算しますか。",
        "代表2名は誰ですか。",
        "憲法第3章では何が定められていますか。",
        "文書を検索するにはどうしますか。",
    ],
)
def test_a_question_on_documents_is_not_one_that_needs_them_open(text: str, manual: Path) -> None:
    [section] = documents.read_sections(manual)
    assert not isinstance(KeptPairs().take(section, pair(3, question=text)), Refusal)


def docx_of(*paragraphs: tuple[str, str]) -> bytes:
    """Return a Word document of paragraphs, each a style and a text."""
    word = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    body = "".join(
        f'<w:p><w:pPr><w:pStyle w:val="{style}"/></w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>'
        for style, text in paragraphs
    )
    styles = (
        '<w:style w:type="paragraph" w:styleId="Heading1"><w:name w:val="heading 1"/></w:style>'
    )
    package = "http://schemas.openxmlformats.org/package/2006"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types"/>',
        "_rels/.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="r1" '
        f'Type="{office}/officeDocument" Target="word/document.xml"/></Relationships>',
        "word/document.xml": f'<w:document xmlns:w="{word}"><w:body>{body}</w:body></w:document>',
        "word/_rels/document.xml.rels": f'<Relationships xmlns="{package}/relationships">'
        f'<Relationship Id="r1" Type="{office}/styles" Target="styles.xml"/></Relationships>',
        "word/styles.xml": f'<w:styles xmlns:w="{word}">{styles}</w:styles>',
    }
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for path, text in parts.items():
            archive.writestr(path, text)
    return file.getvalue()


def test_a_word_document_is_sent_as_text_with_its_headings(tmp_path: Path) -> None:
    content = docx_of(
        ("Heading1", "Machines"),
        ("Normal", sentence(1)),
        ("Heading1", "点検"),
        ("Normal", "毎月。"),
    )
    source = saved(tmp_path, "a.docx", content)
    [section] = documents.read_sections(source)
    assert (section.label, section.format) == ("Machines", "md")
    assert section.content.decode() == f"# Machines\n\n{sentence(1)}\n\n# 点検\n\n毎月。"
    ran = run(Scripted([pair(1)]), tmp_path / "out.json", source, pairs=1)
    assert [each["quote"] for each in ran.pairs] == [sentence(1)]


@pytest.mark.parametrize("encoding", ["JPXDecode", "JBIG2Decode", "DCTDecode"])
def test_pages_with_pictures_that_nova_refuses_are_sent_as_text(
    tmp_path: Path, encoding: str
) -> None:
    writer, out = PdfWriter(), io.BytesIO()
    writer.append(io.BytesIO(pdf_of([[sentence(1)], [sentence(2)]])))
    picture = StreamObject()
    picture.update(
        {
            NameObject("/Subtype"): NameObject("/Image"),
            NameObject("/Filter"): NameObject(f"/{encoding}"),
        }
    )
    form = StreamObject()  # pictures are found in forms too
    inner = DictionaryObject({NameObject("/P"): writer._add_object(picture)})  # noqa: SLF001  # no other way
    form[NameObject("/Resources")] = DictionaryObject({NameObject("/XObject"): inner})
    resources = writer.pages[1]["/Resources"].get_object()
    resources[NameObject("/XObject")] = DictionaryObject(
        {NameObject("/F"): writer._add_object(form)}  # noqa: SLF001  # no other way
    )
    writer.write(out)
    [section] = documents.read_sections(saved(tmp_path, "a.pdf", out.getvalue()))
    assert section.format == ("pdf" if encoding == "DCTDecode" else "txt")
    assert matching.squeezed(sentence(2)) in matching.squeezed(section.text)


def test_questions_that_differ_in_a_name_are_two_questions(manual: Path) -> None:
    [section] = documents.read_sections(manual)
    pairs = KeptPairs()
    ask = "What is the longest time that an inspection of the {} of a site may take?"
    for number, name in ((2, "boiler"), (3, "turbine")):
        taken = pairs.take(section, pair(number, question=ask.format(name)))
        assert not isinstance(taken, Refusal)
    again = "What is the longest time that the inspection of a boiler of the site may take?"
    refusal = pairs.take(section, pair(5, question=again))
    assert isinstance(refusal, Refusal)
    assert refusal.code == "duplicate"
    why = pairs.take(section, pair(6, question=again.replace("What is the longest", "Why is the")))
    assert not isinstance(why, Refusal)


@pytest.mark.parametrize(
    ("text", "quote"),
    [
        ("The cus-\ntomization job\n  ends \u201cearly\u201d.", 'customization job ends "early"'),
        ("**The** [job](https://a.example/x) `ends` early.", "The job ends early"),
        ("\uff22\uff45\uff44\uff52\uff4f\uff43\uff4b は\n使えます。", "Bedrock は使えます"),
    ],
)
def test_a_quote_is_found_whatever_breaks_and_marks_it(
    text: str, quote: str, tmp_path: Path
) -> None:
    [section] = documents.read_sections(saved(tmp_path, "a.md", f"{text}\n\n{sentence(1)}"))
    assert matching.squeezed(quote) in matching.squeezed(section.text)


def test_a_translation_is_held_to_quote_numbers_and_names(tmp_path: Path) -> None:
    fact = "Amazon Bedrock keeps provisioned throughput in service for 45 minutes after a purchase."
    [section] = documents.read_sections(saved(tmp_path, "a.txt", fact))
    good = {
        "question": "スループットはどのくらい提供されますか。",
        "answer": "Amazon Bedrockは購入後、スループットを45分間提供し続けます。",
        "quote": fact,
        "topic": "スループット",
    }
    bad = good | {"answer": "SageMaker Autopilotは購入後もスループットを45分間提供し続けます。"}
    assert not isinstance(KeptPairs("ja").take(section, good), Refusal)
    refusal = KeptPairs("ja").take(section, bad)
    assert isinstance(refusal, Refusal)
    assert refusal.code == "not-covered"


@pytest.mark.parametrize(
    ("tool_input", "found"),
    [
        ({"pairs": [1, 2]}, [1, 2]),
        ({"pairs": "[1, 2]"}, [1, 2]),
        ([1], [1]),
        ({"pairs": "no JSON"}, ["no JSON"]),
        ({"pairs": "[" * 9_999}, ["[" * 9_999]),
        ({}, [None]),
        (None, [None]),
    ],
)
def test_whatever_a_model_gives_is_read(tool_input: object, found: list[object]) -> None:
    assert read_pairs(tool_input) == found


# Sections


def test_a_long_pdf_is_asked_about_page_range_by_page_range(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documents, "SECTION_CHARACTERS", 1500)
    pages = [[sentence(page * 5 + line) for line in range(5)] for page in range(9)]
    source = saved(tmp_path, "long.pdf", pdf_of(pages))
    spy = Spy()
    ran = run(spy, tmp_path / "out.json", source, pairs=18)
    assert ran.status == 0, ran.said
    sections = documents.read_sections(source)
    assert len(sections) > 2
    assert {each["section"] for each in ran.pairs} == {each.label for each in sections}
    for request in spy.requests[: len(sections)]:
        sent = request["messages"][0]["content"][0]["document"]["source"]["bytes"]
        assert len(PdfReader(io.BytesIO(sent)).pages) < 9
    for each in ran.pairs:
        numbers = [int(number) for number in re.findall(r"\d+", each["section"])]
        facts = [fact for page in pages[numbers[0] - 1 : numbers[-1]] for fact in page]
        assert matching.squeezed(each["quote"]) in {matching.squeezed(fact) for fact in facts}


def test_pages_that_are_too_large_are_sent_apart_and_then_as_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = pdf_of([[sentence(page)] for page in range(4)])
    source = saved(tmp_path, "a.pdf", content)
    monkeypatch.setattr(documents, "MAX_DOCUMENT_BYTES", len(content) - 1)
    halves = documents.read_sections(source)
    assert [(each.label, each.format) for each in halves] == [
        ("pages 1-2", "pdf"),
        ("pages 3-4", "pdf"),
    ]
    monkeypatch.setattr(documents, "MAX_DOCUMENT_BYTES", 10)
    single = documents.read_sections(source)
    assert [(each.label, each.format) for each in single] == [
        (f"page {number}", "txt") for number in range(1, 5)
    ]
    assert matching.squeezed(single[2].content.decode()) == matching.squeezed(sentence(2))


def test_markdown_is_cut_at_its_headings(handbook: Path) -> None:
    sections = documents.read_sections(handbook)
    assert len(sections) > 1
    assert all(len(each.text) <= documents.SECTION_CHARACTERS for each in sections)
    assert all(each.content.startswith(b"#") for each in sections)
    text = "".join(each.content.decode() for each in sections)
    assert [n for n in range(60) if sentence(n) not in text] == []


def test_what_looks_like_a_heading_in_code_is_none(tmp_path: Path) -> None:
    source = saved(tmp_path, "a.md", f"# Real\n\n```\n# No heading\n```\n\n{sentence(1)}")
    [section] = documents.read_sections(source)
    assert section.label == "Real"


def test_long_html_is_sent_as_its_text(tmp_path: Path) -> None:
    paragraphs = "".join(f"<p class='x'>{sentence(n)}</p>" for n in range(300))
    source = saved(tmp_path, "a.html", f"<h1>Machines</h1><script>x()</script>{paragraphs}")
    sections = documents.read_sections(source)
    assert {each.format for each in sections} == {"md"}
    assert sections[0].label == "Machines"
    assert b"<" not in sections[0].content


@given(st.text(alphabet="abcdefghi .\n", min_size=30, max_size=400), st.integers(30, 60))
def test_sections_keep_all_of_a_text(text: str, size: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(documents, "SECTION_CHARACTERS", size)
        patch.setattr(documents, "_LEAST_TEXT", 0)
        patch.setattr(Path, "read_bytes", lambda _: f"Twenty letters are needed. {text}".encode())
        sections = documents.read_sections(Path("a.txt"))
    assert all(len(section.text) <= size for section in sections)
    joined = "".join(section.text for section in sections)
    assert "".join(joined.split()).endswith("".join(text.split()))


@given(st.integers(0, 500), st.lists(st.integers(1, 10_000), min_size=1, max_size=40))
def test_shares_add_up_and_follow_length(pairs: int, lengths: list[int]) -> None:
    found = session.shares(pairs, lengths)
    assert sum(found) == pairs
    for share, length in zip(found, lengths, strict=True):
        assert abs(share - pairs * length / sum(lengths)) <= 1


def test_fewer_pairs_than_sections_are_spread_over_the_document() -> None:
    assert [at for at, share in enumerate(session.shares(3, [100] * 12)) if share] == [2, 5, 10]


# What is paid for, and how often


def interrupted(request: int) -> Callable[[int], BaseException | None]:
    return lambda number: KeyboardInterrupt() if number == request else None


@pytest.mark.slow
@pytest.mark.parametrize("last", [2, 3, 5])
def test_a_resumed_command_pays_for_nothing_twice(
    last: int, handbook: Path, tmp_path: Path
) -> None:
    whole, first, second = Spy(), Spy(before=interrupted(last)), Spy()
    at_once = run(whole, tmp_path / "at-once.json", handbook, pairs=40)
    out = tmp_path / "out.json"
    stopped = run(first, out, handbook, pairs=40)
    assert stopped.status == 130
    assert "the same command again resumes from there" in stopped.said
    assert not out.exists()
    assert len(stopped.journal) == last - 1
    resumed = run(second, out, handbook, pairs=40)
    assert resumed.status == 0
    assert resumed.pairs == at_once.pairs
    assert first.answered + second.answered == whole.answered
    assert f"{first.tokens:,} tokens are paid for already" in resumed.said


def test_a_crash_after_an_answer_loses_none_of_it(
    manual: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spy, out = Spy(), tmp_path / "out.json"
    with monkeypatch.context() as patch:
        patch.setattr(KeptPairs, "take", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            run(spy, out, manual, pairs=5)
    ran = run(Scripted(), out, manual, pairs=5)
    assert (ran.status, len(ran.pairs), len(spy.requests)) == (0, 5, 1)


def test_an_answer_is_on_the_disk_before_it_is_used(
    manual: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    take, fsync = KeptPairs.take, os.fsync

    def noted_take(*arguments: Any) -> Any:
        order.append("used")
        return take(*arguments)

    def noted_fsync(descriptor: int) -> None:
        order.append("on disk")
        fsync(descriptor)

    monkeypatch.setattr(KeptPairs, "take", noted_take)
    monkeypatch.setattr(os, "fsync", noted_fsync)
    run(Spy(), tmp_path / "out.json", manual, pairs=3)
    assert order == ["on disk", "on disk", *["used"] * 3]  # the folder's entry, the answer


@pytest.mark.parametrize("written", [1, 4, 50])
def test_a_line_that_a_crash_cut_off_is_asked_again(
    written: int, manual: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.json"
    run(Spy(), out, manual, pairs=20)
    journal = path_beside(out)
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:-1]) + lines[-1][:written])
    spy = Spy()
    ran = run(spy, out, manual, pairs=20)
    assert (ran.status, len(ran.pairs), len(spy.requests)) == (0, 20, 1)
    assert journal.read_bytes().splitlines(keepends=True) == lines


def test_a_damaged_line_is_named(manual: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    path_beside(out).write_text("{}\n")
    ran = run(Spy(), out, manual)
    assert ran.status == 2
    assert f"{path_beside(out)}:1 was not written by this command" in ran.said


def test_more_pairs_on_a_later_day_are_asked_for_beside_the_first(
    manual: Path, tmp_path: Path
) -> None:
    out, spy = tmp_path / "out.json", Spy()
    first = run(Spy(), out, manual, pairs=6)
    second = run(spy, out, manual, pairs=10)
    assert second.pairs[:6] == first.pairs
    assert "Write 4 question-answer pairs" in spy.requests[0]["messages"][0]["content"][1]["text"]
    fewer = run(Scripted(), out, manual, pairs=3)
    assert fewer.pairs == first.pairs[:3]


def test_nothing_is_asked_while_what_was_paid_for_is_enough(
    manual: Path, handbook: Path, tmp_path: Path
) -> None:
    out, spy = tmp_path / "out.json", Spy()
    run(Spy(before=interrupted(2)), out, handbook, pairs=40)  # one of three sections is paid for
    fewer = run(spy, out, handbook, pairs=1)  # which is the share of another section
    later = run(spy, out, manual, handbook, pairs=12)
    assert (fewer.status, later.status, len(later.pairs), spy.requests) == (0, 0, 12, [])


def test_what_was_paid_for_is_used_though_another_document_is_beyond_the_ceiling(
    manual: Path, handbook: Path, tmp_path: Path
) -> None:
    out, spy = tmp_path / "out.json", Spy()
    first = run(Spy(), out, manual, pairs=6)
    ran = run(spy, out, handbook, manual, pairs=60, max_tokens_total=3_000)
    assert (ran.status, ran.pairs, spy.requests) == (1, first.pairs, [])


def test_another_prompt_pays_anew_and_counts_the_old(manual: Path, tmp_path: Path) -> None:
    out, spy = tmp_path / "out.json", Spy()
    run(Spy(), out, manual, pairs=6)
    ran = run(spy, out, manual, pairs=6, prompt_file=saved(tmp_path, "p.txt", "Ask in verse."))
    assert len(spy.requests) == 1
    paid = sum(each["input_tokens"] + each["output_tokens"] for each in ran.journal)
    assert paid > spy.tokens
    assert f"{paid - spy.tokens:,} tokens are paid for already." in ran.said


def test_answers_in_another_language_are_others(manual: Path) -> None:
    [section] = documents.read_sections(manual)
    keys = {GenerationTask("a-model", code).key(section) for code in (None, "ja", "ja-JP")}
    assert len(keys) == 3


def test_two_commands_do_not_share_a_journal(manual: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.json"

    class Nested(Spy):
        def converse(self, **request: Any) -> Any:
            other = run(Scripted(), out, manual)
            assert other.status == 2
            assert "in use by another process" in other.said
            return super().converse(**request)

    assert run(Nested(), out, manual, pairs=2).status == 0


@pytest.mark.slow
@pytest.mark.parametrize("ceiling", [15_000, 20_000, 27_000])
def test_no_request_could_go_beyond_the_ceiling(
    ceiling: int, handbook: Path, tmp_path: Path
) -> None:
    spy, out = Spy(), tmp_path / "out.json"
    ran = run(spy, out, handbook, pairs=45, max_tokens_total=ceiling)
    assert ran.status == 1
    assert "another request could exceed" in ran.said
    assert 0 < spy.tokens <= ceiling
    spent = 0
    for request, entry in zip(spy.requests, ran.journal, strict=True):
        spent += entry["estimated_input_tokens"]
        assert spent + request["inferenceConfig"]["maxTokens"] <= ceiling
        spent += entry["input_tokens"] + entry["output_tokens"] - entry["estimated_input_tokens"]
    more = Spy()
    assert run(more, out, handbook, pairs=45, max_tokens_total=10**6).status == 0
    assert not {repr(each) for each in spy.requests} & {repr(each) for each in more.requests}


def test_a_ceiling_below_one_request_pays_for_none(manual: Path, tmp_path: Path) -> None:
    spy = Spy()
    ran = run(spy, tmp_path / "out.json", manual, max_tokens_total=500)
    assert (ran.status, ran.pairs, spy.requests) == (1, [], [])


def test_a_model_that_reads_more_than_estimated_raises_the_estimate(
    handbook: Path, tmp_path: Path
) -> None:
    class Thirsty(Spy):
        def converse(self, **request: Any) -> Any:
            answer = super().converse(**request)
            answer["usage"]["inputTokens"] = 30_000
            return answer

    spy = Thirsty()
    run(spy, tmp_path / "out.json", handbook, pairs=60, max_tokens_total=70_000)
    assert len(spy.requests) == 2  # a third would likely have gone beyond


def test_the_largest_underestimate_holds_for_all_that_follow(
    handbook: Path, tmp_path: Path
) -> None:
    class Thirsty(Spy):
        def converse(self, **request: Any) -> Any:
            answer = super().converse(**request)
            answer["usage"]["inputTokens"] = 30_000 if len(self.requests) == 1 else 10
            return answer

    lost = ReadTimeoutError(endpoint_url="x")
    spy = Thirsty(before=lambda number: lost if number == 3 else None)
    ran = run(spy, tmp_path / "out.json", handbook, pairs=60, max_tokens_total=80_000)
    factor = 30_000 / ran.journal[0]["estimated_input_tokens"]
    spent = 30_000 + ran.journal[0]["output_tokens"]
    for request, entry in zip(spy.requests[1:], ran.journal[1:], strict=True):
        estimated = math.ceil(factor * entry["estimated_input_tokens"])
        assert spent + estimated + request["inferenceConfig"]["maxTokens"] <= 80_000
        assert entry["input_tokens"] in {10, estimated}  # an answer that was lost counts in full
        spent += entry["input_tokens"] + entry["output_tokens"]
    assert len(ran.journal) > 3
    assert ran.status == 1


def test_near_the_ceiling_fewer_pairs_are_asked_for(manual: Path, tmp_path: Path) -> None:
    whole = Spy()
    [first, *_] = run(whole, tmp_path / "whole.json", manual, pairs=12).journal
    most = whole.requests[0]["inferenceConfig"]["maxTokens"]
    ceiling = first["estimated_input_tokens"] + most - 1
    ran = run(Spy(), tmp_path / "out.json", manual, pairs=12, max_tokens_total=ceiling)
    assert ran.journal[0]["asked"] == 6


def test_a_model_with_nothing_new_ends_it(manual: Path, tmp_path: Path) -> None:
    model = Scripted([pair(1)], [pair(1)], [pair(2)])
    ran = run(model, tmp_path / "out.json", manual, pairs=5)
    assert (ran.status, len(ran.pairs), len(model.requests)) == (1, 1, 2)
    assert "found nothing new" in ran.said


def test_more_pairs_than_asked_for_are_left_aside(manual: Path, tmp_path: Path) -> None:
    ran = run(Scripted([pair(n) for n in range(9)]), tmp_path / "out.json", manual, pairs=4)
    assert len(ran.pairs) == 4


def test_more_pairs_than_a_sections_share_are_left_aside(handbook: Path, tmp_path: Path) -> None:
    model = Scripted([pair(n) for n in range(9)])
    ran = run(model, tmp_path / "out.json", handbook, pairs=6)
    assert [len(ran.pairs), ran.journal[0]["asked"]] == [2, 2]


def test_a_cut_off_answer_is_asked_for_in_smaller_pieces(manual: Path, tmp_path: Path) -> None:
    model = Scripted({}, {}, stop="max_tokens")
    model.answers = [None, None, [pair(n) for n in range(3)]]
    ran = run(model, tmp_path / "out.json", manual, pairs=12)
    asked = [each["messages"][0]["content"][1]["text"].split()[1] for each in model.requests]
    assert asked[:3] == ["12", "6", "3"]
    assert len(ran.pairs) == 3
    assert "Cut off:" in ran.said


# What goes wrong


def failing(code: str, status: int, times: int = 1) -> Callable[[int], BaseException | None]:
    response: Any = {
        "Error": {"Code": code, "Message": f"{code} it is"},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    error = ClientError(response, "Converse")
    return lambda number: error if number <= times else None


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the pauses that are made, none of which takes time."""
    made: list[float] = []
    monkeypatch.setattr("lambdas.aws.converse.time.sleep", made.append)
    return made


@pytest.mark.parametrize("kind", ["throttle", "server_error"])
def test_throttling_is_waited_out_and_not_counted(
    kind: Any, manual: Path, tmp_path: Path, pauses: list[float]
) -> None:
    scenario = Scenario(faults=(Fault("Converse", kind, times=3),))
    ran = run(Account(scenario).runtime, tmp_path / "out.json", manual, pairs=5)
    assert (ran.status, pauses, len(ran.journal)) == (0, [2.0, 4.0, 8.0], 1)
    assert "Trying again in 2 s" in ran.said


def test_endless_throttling_is_given_up(manual: Path, tmp_path: Path, pauses: list[float]) -> None:
    spy = Spy(before=failing("ThrottlingException", 429, times=99))
    ran = run(spy, tmp_path / "out.json", manual)
    assert ran.status == 2
    assert sum(pauses) == 62
    assert "Nothing was paid for" in ran.said


@pytest.mark.slow
@pytest.mark.parametrize(
    "code",
    [
        "AccessDeniedException",
        "ValidationException",
        "ResourceNotFoundException",
        "ExpiredTokenException",
    ],
)
def test_a_refusal_ends_it_and_keeps_the_journal(code: str, handbook: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    spy = Spy(before=lambda number: failing(code, 400)(1) if number == 3 else None)
    ran = run(spy, out, handbook, pairs=40)
    assert ran.status == 2
    assert f"{code} it is" in ran.said
    assert f"is in {path_beside(out)}" in ran.said
    assert len(ran.journal) == 2


def test_missing_credentials_are_said(manual: Path, tmp_path: Path) -> None:
    spy = Spy(before=lambda _: NoCredentialsError())
    ran = run(spy, tmp_path / "out.json", manual)
    assert ran.status == 2
    assert "Unable to locate credentials" in ran.said


@pytest.mark.parametrize(
    "error",
    [ReadTimeoutError(endpoint_url="x"), failing("ModelErrorException", 424)(1)],
    ids=["read-timeout", "model-error"],
)
def test_a_lost_answer_counts_as_paid(
    error: BaseException, manual: Path, tmp_path: Path, pauses: list[float]
) -> None:
    spy = Spy(before=lambda number: error if number == 1 else None)
    ran = run(spy, tmp_path / "out.json", manual, pairs=8)
    lost, *_ = ran.journal
    assert lost["tool_input"] is None
    assert lost["input_tokens"] == lost["estimated_input_tokens"] > 1000
    assert lost["output_tokens"] == spy.requests[0]["inferenceConfig"]["maxTokens"]
    assert (ran.status, pauses, len(ran.pairs)) == (0, [], 8)


def protected() -> bytes:
    writer, out = PdfWriter(), io.BytesIO()
    writer.append(io.BytesIO(pdf_of([[sentence(1)]])))
    writer.encrypt("secret", algorithm="RC4-128")
    writer.write(out)
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.odt", b"PK", "a.odt: unsupported file type; expected one of docx, html, md, pdf, txt"),
        ("a.docx", b"PK", "a.docx cannot be read as a Word document"),
        ("a", b"text", "a: unsupported file type"),
        ("a.txt", b"", "is empty"),
        ("a.txt", b" \n\n ", "has no text"),
        ("a.txt", "運用手順".encode("shift_jis") * 9, "probably in Shift-JIS"),
        ("a.md", sentence(1).encode("utf-16"), "probably in UTF-16"),
        ("a.html", b"<![" + b"no such mark " * 9, "a.html cannot be read as HTML"),
        ("a.pdf", b"%PDF-1.7 no more than this", "cannot be read as a PDF"),
        ("a.pdf", pdf_of([[], []]), "recognise its text first (OCR)"),
        ("a.pdf", protected(), "is protected"),
    ],
)
def test_a_document_that_cannot_be_used_is_said(
    name: str, content: bytes, says: str, tmp_path: Path
) -> None:
    spy = Spy()
    ran = run(spy, tmp_path / "out.json", saved(tmp_path, name, content))
    assert ran.status == 2
    assert says in ran.said
    assert spy.requests == []


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"writer": "nova-por"}, "Did you mean 'nova-pro'?"),
        (
            {"region": "eu-west-1"},
            "which eu-west-1 does not have: choose one of us-east-1, us-east-2, us-west-2",
        ),
        ({"pairs": 0}, "--pairs: '0' is not a whole number of 1 or more"),
        ({"max_tokens_total": 0}, "--max-tokens-total: '0' is not a whole number"),
        ({"language": "jp"}, "--language: 'jp' is not a known language. Did you mean"),
        ({"region": None, "env": "dve"}, "did you mean 'dev'?"),
        ({"prompt_file": "no-such-file"}, "no-such-file cannot be read"),
    ],
)
def test_bad_usage_is_said(
    options: dict[str, Any], says: str, manual: Path, tmp_path: Path
) -> None:
    ran = run(Spy(), tmp_path / "out.json", manual, **options)
    assert ran.status == 2
    assert says in ran.said


def test_an_empty_prompt_is_refused(manual: Path, tmp_path: Path) -> None:
    ran = run(Spy(), tmp_path / "out.json", manual, prompt_file=saved(tmp_path, "p.txt", " \n"))
    assert ran.status == 2
    assert "p.txt is empty: describe what to ask about" in ran.said


def test_a_file_of_someone_else_is_not_overwritten(manual: Path, tmp_path: Path) -> None:
    own = saved(tmp_path, "training.json", "[]")
    ran = run(Spy(), own, manual)
    assert ran.status == 2
    assert own.read_text() == "[]"
    assert run(Spy(), tmp_path / "out.txt", manual).status == 2
    assert run(Spy(), tmp_path / "no" / "out.json", manual).status == 2


def test_an_environment_gives_region_and_prices(manual: Path, tmp_path: Path) -> None:
    ran = run(Spy(), tmp_path / "out.json", manual, pairs=3, region=None, env="dev")
    assert ran.status == 0
    assert "in us-east-1" in ran.said
    assert "Cost:    $0.00" in ran.said


def test_pairs_in_japanese_stay_readable(tmp_path: Path) -> None:
    text = "".join(
        f"設備{number}番は、毎年{number + 3}月に{name}が点検し、結果を記録します。"
        for number, name in enumerate(
            ("電気主任", "保安係員", "工場長", "設計部門", "品質管理"), 10
        )
    )
    source = saved(tmp_path, "手順.txt", text)
    ran = run(Spy(), tmp_path / "out.json", source, pairs=4, language="ja")
    assert ran.status == 0, ran.said
    assert "点検" in ran.out.read_text(encoding="utf-8")
    assert all(each["quote"] in text for each in ran.pairs)


@pytest.mark.slow
@needs_article
def test_the_reports_own_answers_give_pairs(tmp_path: Path) -> None:
    published = json.loads((ARTICLE / "training.json").read_text(encoding="utf-8"))
    text = "\n\n".join(each["sentence2"] for each in published)
    source = saved(tmp_path, "bedrock.txt", text)
    ran = run(Spy(), tmp_path / "out.json", source, pairs=32)
    assert ran.status == 0, ran.said
    assert all(matching.squeezed(each["quote"]) in matching.squeezed(text) for each in ran.pairs)
