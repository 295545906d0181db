"""Documents that pairs are generated from: their text, and the sections that a model is given.

A document that fits is sent as it is. A longer one is sent in sections: a PDF by pages, Markdown
and HTML at their headings, text at its blank lines. What a section's pairs are checked against is
the text that is extracted here.
"""

from __future__ import annotations

import hashlib
import io
import itertools
import re
import unicodedata
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import bs4
from markdown_it import MarkdownIt
from pypdf import PdfReader, PdfWriter
from pypdf.errors import DependencyError, FileNotDecryptedError

Format = Literal["pdf", "txt", "md", "html"]
FORMATS: dict[str, Format] = {
    ".pdf": "pdf",
    ".txt": "txt",
    ".text": "txt",
    ".md": "md",
    ".markdown": "md",
    ".html": "html",
    ".htm": "html",
    ".xhtml": "html",
}
# https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Message.html, read 2026-11-23;
# newer models take larger PDFs, which no section comes near.
MAX_DOCUMENT_BYTES = 4_500_000
# Models find facts best in a few pages; a section's answer also has to fit their output.
SECTION_CHARACTERS = 24_000
_MAX_NAME = 200
_BETWEEN = "\n\n"  # blocks
_LEAST_TEXT = 20  # letters and digits, below which there is nothing to ask about
_BLOCKS = [
    *("address", "article", "aside", "blockquote", "br", "dd", "div", "dl", "dt", "fieldset"),
    *("figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header"),
    *("hr", "li", "main", "nav", "ol", "p", "pre", "section", "table", "td", "th", "tr", "ul"),
]
_NOT_TEXT = ["script", "style", "noscript", "template", "svg", "head"]


class DocumentInvalid(Exception):
    """A document cannot be used; says which, why, and what to do."""


@dataclass(frozen=True)
class Section:
    """What one request gives to the model, and the text that its pairs are checked against."""

    document: str  # the file's name
    label: str  # where in the document: its heading, its pages
    format: Format
    content: bytes
    text: str
    fingerprint: str  # the same for the same part of the same bytes
    pages: int = 0  # of a PDF

    @property
    def name(self) -> str:
        """The document's name by Bedrock's rules.

        Letters and digits of ASCII, single spaces, hyphens, parentheses and square brackets:
        https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_DocumentBlock.html,
        read 2026-11-23.
        """
        plain = unicodedata.normalize("NFKC", Path(self.document).stem)
        kept = " ".join(re.sub(r"[^A-Za-z0-9()\[\]-]+", " ", plain).split())
        return kept[:_MAX_NAME].strip() or "document"


@dataclass(frozen=True)
class _Block:
    """A piece of a text with the heading that it stands under."""

    title: str
    text: str


@dataclass(frozen=True)
class _Source:
    """One document's file."""

    name: str
    content: bytes

    def section(  # noqa: PLR0913, PLR0917  # a section's parts
        self, number: int, label: str, kind: Format, content: bytes, text: str, pages: int = 0
    ) -> Section:
        own = hashlib.sha256(self.content)
        own.update(f"/{number}/{label}/{kind}/{SECTION_CHARACTERS}".encode())
        return Section(self.name, label, kind, content, text, own.hexdigest(), pages)


def read_sections(path: Path) -> list[Section]:
    """Read a document and cut it into sections that a model can be asked about.

    Raises
    ------
    DocumentInvalid
        There is no such file, its format is unknown, it is damaged or protected, or has no text.
    """
    kind = FORMATS.get(path.suffix.lower())
    if kind is None:
        raise DocumentInvalid(
            f"{path}: {path.suffix or 'a file without ending'} is no format that is read; convert "
            f"it to one of {', '.join(sorted(set(FORMATS.values())))}"
        )
    source = _Source(path.name, _read(path))
    sections = [each for each in _SECTIONERS[kind](path, source) if _has_text(each.text)]
    if not sections:
        raise DocumentInvalid(
            f"{path} has no text. If it is a scan, recognise its text first (OCR) and save it with "
            "the text"
        )
    return sections


def _read(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DocumentInvalid(f"{path} cannot be read: {error.strerror}") from None
    if not content:
        raise DocumentInvalid(f"{path} is empty")
    return content


def _has_text(text: str) -> bool:
    return sum(map(str.isalnum, text)) >= _LEAST_TEXT


def _decoded(path: Path, content: bytes) -> str:
    encoding = "utf-16" if content[:2] in {b"\xff\xfe", b"\xfe\xff"} else "utf-8-sig"
    try:
        return re.sub(r"\r\n?", "\n", content.decode(encoding))
    except UnicodeDecodeError as error:
        raise DocumentInvalid(
            f"{path} is no text in UTF-8 (byte {error.start}); convert it, for example with: "
            f"iconv -f SHIFT_JIS -t UTF-8"
        ) from None


def _pdf_sections(path: Path, source: _Source) -> Iterator[Section]:
    reader, texts = _open_pdf(path, source.content)
    groups = [*_page_groups(texts)]
    if len(groups) == 1 and len(source.content) <= MAX_DOCUMENT_BYTES:
        label, text = _pages(groups[0]), "\n".join(texts)
        yield source.section(0, label, "pdf", source.content, text, len(texts))
        return
    for pages in groups:
        yield from _cut_pages(source, reader, texts, pages)


def _open_pdf(path: Path, content: bytes) -> tuple[PdfReader, list[str]]:
    try:
        reader = PdfReader(io.BytesIO(content))
        return reader, [page.extract_text() for page in reader.pages]
    except (FileNotDecryptedError, DependencyError):
        raise DocumentInvalid(f"{path} is protected; save a copy without protection") from None
    except Exception as error:  # noqa: BLE001  # a damaged PDF makes pypdf fail in any way
        raise DocumentInvalid(
            f"{path} is no PDF that can be read ({error}); save or print it to PDF again"
        ) from None


def _page_groups(texts: Sequence[str]) -> Iterator[range]:
    """Yield ranges of page indexes of a section's size each; a long page is on its own."""
    start, characters = 0, 0
    for at, text in enumerate(texts):
        if at > start and characters + len(text) > SECTION_CHARACTERS:
            yield range(start, at)
            start, characters = at, 0
        characters += len(text)
    yield range(start, len(texts))


def _cut_pages(
    source: _Source, reader: PdfReader, texts: Sequence[str], pages: range
) -> Iterator[Section]:
    """Yield the pages as a PDF of their own, halved until it is small enough to be sent."""
    content, text = _extracted(reader, pages), "\n".join(texts[pages.start : pages.stop])
    if len(content) <= MAX_DOCUMENT_BYTES:
        yield source.section(pages.start, _pages(pages), "pdf", content, text, len(pages))
    elif len(pages) == 1:  # pictures, which the model must do without
        yield source.section(pages.start, _pages(pages), "txt", text.encode(), text)
    else:
        middle = pages.start + len(pages) // 2
        for half in (range(pages.start, middle), range(middle, pages.stop)):
            yield from _cut_pages(source, reader, texts, half)


def _extracted(reader: PdfReader, pages: range) -> bytes:
    writer, out = PdfWriter(), io.BytesIO()
    for at in pages:
        writer.add_page(reader.pages[at])
    writer.write(out)
    return out.getvalue()


def _pages(pages: range) -> str:
    if len(pages) == 1:
        return f"page {pages.start + 1}"
    return f"pages {pages.start + 1}-{pages.stop}"


def _text_sections(path: Path, source: _Source) -> Iterator[Section]:
    text = _decoded(path, source.content)
    return _packed(source, "txt", [_Block("", text)])


def _markdown_sections(path: Path, source: _Source) -> Iterator[Section]:
    text = _decoded(path, source.content)
    return _packed(source, "md", [*_headed_blocks(text)])


def _html_sections(path: Path, source: _Source) -> Iterator[Section]:
    del path
    text = html_text(source.content)
    if len(source.content) <= SECTION_CHARACTERS:
        yield source.section(0, "whole", "html", source.content, text)
        return
    yield from _packed(source, "md", [*_headed_blocks(text)])


def _packed(source: _Source, kind: Format, blocks: Iterable[_Block]) -> Iterator[Section]:
    """Yield consecutive blocks together, as many as make a section."""
    parts: list[_Block] = []
    number, characters = 0, 0
    for piece in (piece for block in blocks for piece in _pieces(block)):
        if parts and characters + len(piece.text) > SECTION_CHARACTERS:
            yield _joined(source, number, kind, parts)
            parts, number, characters = [], number + 1, 0
        parts.append(piece)
        characters += len(piece.text) + len(_BETWEEN)
    if parts:
        yield _joined(source, number, kind, parts)


def _joined(source: _Source, number: int, kind: Format, parts: Sequence[_Block]) -> Section:
    text = _BETWEEN.join(each.text for each in parts)
    label = next((each.title for each in parts if each.title), f"part {number + 1}")
    plain = markdown_text(text) if kind == "md" else text
    return source.section(number, label, kind, text.encode(), plain)


def _pieces(block: _Block) -> Iterator[_Block]:
    """Cut a block that is too long at blank lines, else after a sentence, else where it must."""
    rest = block.text.strip()
    while len(rest) > SECTION_CHARACTERS:
        head = rest[:SECTION_CHARACTERS]
        ends = (head.rfind("\n\n"), *(head.rfind(mark) + 1 for mark in (". ", "。", "\n", " ")))
        cut = next((end for end in ends if end > SECTION_CHARACTERS // 2), len(head))
        yield _Block(block.title, rest[:cut].strip())
        rest = rest[cut:].strip()
    if rest:
        yield _Block(block.title, rest)


def _headed_blocks(markdown: str) -> Iterator[_Block]:
    lines = markdown.split("\n")
    starts = [(0, ""), *_headings(markdown), (len(lines), "")]
    for (start, title), (end, _) in itertools.pairwise(starts):
        yield _Block(title, "\n".join(lines[start:end]))


def _headings(markdown: str) -> Iterator[tuple[int, str]]:
    """Yield line (from 0) and title of each heading; what looks like one in code is none."""
    tokens = MarkdownIt().parse(markdown)
    for token, inline in itertools.pairwise(tokens):
        if token.type == "heading_open" and token.level == 0 and token.map:
            yield token.map[0], inline.content


def markdown_text(markdown: str) -> str:
    """Return what Markdown shows, without its signs and the targets of its links."""
    return html_text(MarkdownIt().enable("table").render(markdown))


def html_text(content: str | bytes) -> str:
    """Return what HTML shows: a line for each block, headings as Markdown has them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that XHTML is read as HTML is meant
        soup = bs4.BeautifulSoup(content, "html.parser")
    for each in soup(_NOT_TEXT):
        each.decompose()
    for each in soup(_BLOCKS):
        heading = re.fullmatch(r"h([1-6])", each.name)
        each.insert_before("\n\n" + ("#" * int(heading[1]) + " " if heading else ""))
        each.insert_after("\n\n")
    lines = (" ".join(line.split()) for line in soup.get_text().splitlines())
    return re.sub(r"\n{2,}", "\n\n", "\n".join(lines)).strip()


_SECTIONERS = {
    "pdf": _pdf_sections,
    "txt": _text_sections,
    "md": _markdown_sections,
    "html": _html_sections,
}
