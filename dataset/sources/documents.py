"""Reads the documents that pairs are generated from, and cuts them into sections.

A document that fits is sent as it is. A longer one is sent in sections: a PDF by pages, Markdown,
HTML and Word at their headings, text at its blank lines. Pairs are checked against the text that is
extracted here.
"""

from __future__ import annotations

import hashlib
import io
import itertools
import logging
import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import bs4
import mammoth
from markdown_it import MarkdownIt
from pypdf import PdfReader, PdfWriter
from pypdf.errors import DependencyError, FileNotDecryptedError

from dataset.sources.files import SourceFile, SourceInvalid, read_file
from dataset.sources.sections import Format, Section

# A Word document is sent as its text in Markdown.
FORMATS: dict[str, Format | Literal["docx"]] = {
    ".docx": "docx",
    ".pdf": "pdf",
    ".txt": "txt",
    ".md": "md",
    ".markdown": "md",
    ".html": "html",
    ".htm": "html",
}
# https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Message.html, read 2026-11-23.
# Amazon Nova and newer Claude models take larger PDFs, which no section comes near; of text, Nova
# takes 4.5 MB as well, and in a PDF no picture in JPEG 2000 or JBIG2:
# https://docs.aws.amazon.com/nova/latest/userguide/modalities-document.html, read 2026-11-28.
MAX_DOCUMENT_BYTES = 4_500_000
_REFUSED_PICTURES = (b"/JPXDecode", b"/JBIG2Decode")  # names, which a PDF never compresses
# Models find facts best in a few pages, and the pairs of a section have to fit their output.
SECTION_CHARACTERS = 24_000
_BETWEEN = "\n\n"  # blocks
_LEAST_TEXT = 20  # letters and digits; with fewer there is nothing to ask about
_BLOCKS = [
    *("address", "article", "aside", "blockquote", "br", "dd", "div", "dl", "dt", "fieldset"),
    *("figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header"),
    *("hr", "li", "main", "nav", "ol", "p", "pre", "section", "table", "td", "th", "tr", "ul"),
]
_NOT_TEXT = ["script", "style", "noscript", "template", "svg", "head"]


@dataclass(frozen=True)
class _Block:
    """A piece of a text and the heading above it."""

    title: str
    text: str


def _decoded(file: SourceFile) -> str:
    return re.sub(r"\r\n?", "\n", file.text())


def _section(  # noqa: PLR0913, PLR0917  # a section's parts
    file: SourceFile,
    number: int,
    label: str,
    kind: Format,
    content: bytes,
    text: str,
    pages: int = 0,
) -> Section:
    own = hashlib.sha256(file.content)
    own.update(f"/{number}/{label}/{kind}/{SECTION_CHARACTERS}".encode())
    return Section(file.name, label, kind, content, text, own.hexdigest(), pages)


def read_sections(path: Path) -> list[Section]:
    """Read a document and cut it into sections that a model can be asked about.

    Raises
    ------
    SourceInvalid
        There is no such file, its format is unknown, it is damaged or protected, or has no text.
    """
    kind = FORMATS.get(path.suffix.lower())
    if kind is None:
        formats = ", ".join(sorted(set(FORMATS.values())))
        raise SourceInvalid(f"{path}: unsupported file type; expected one of {formats}")
    file = read_file(str(path))
    try:
        sections = [part for part in _sections(file, kind) if _has_text(part.text)]
    except bs4.exceptions.ParserRejectedMarkup:
        why = "cannot be read as HTML: save the page in a browser again, as text"
        raise SourceInvalid(f"{path} {why}") from None
    if not sections:
        raise SourceInvalid(
            f"{path} has no text. If it is a scan, recognise its text first (OCR) and save it with "
            "the text"
        )
    return sections


def _sections(file: SourceFile, kind: str) -> Iterator[Section]:
    match kind:
        case "docx":
            return _packed(file, "md", _headed_blocks(html_text(_docx_html(file))))
        case "pdf":
            return _pdf_sections(file)
        case "txt":
            return _packed(file, "txt", [_Block("", _decoded(file))])
        case "md":
            return _packed(file, "md", _headed_blocks(_decoded(file)))
    text = html_text(file.content)
    if len(file.content) <= SECTION_CHARACTERS:
        return iter([_section(file, 0, "whole", "html", file.content, text)])
    return _packed(file, "md", _headed_blocks(text))


def _docx_html(file: SourceFile) -> str:
    no_picture = mammoth.images.img_element(lambda _: {})
    try:
        converted = mammoth.convert_to_html(io.BytesIO(file.content), convert_image=no_picture)
    except Exception as error:  # noqa: BLE001  # mammoth fails in any way on a damaged file
        raise SourceInvalid(
            f"{file.place} cannot be read as a Word document ({error}): save it as .docx, without "
            "a password"
        ) from None
    return str(converted.value)


def _has_text(text: str) -> bool:
    return sum(map(str.isalnum, text)) >= _LEAST_TEXT


def _pdf_sections(file: SourceFile) -> Iterator[Section]:
    reader, texts = _open_pdf(file)
    for pages in _groups(texts):
        yield from _cut_pages(file, reader, texts, pages)


def _open_pdf(file: SourceFile) -> tuple[PdfReader, list[str]]:
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # it warns of what it repairs
    try:
        reader = PdfReader(io.BytesIO(file.content))
        return reader, [page.extract_text() for page in reader.pages]
    except (FileNotDecryptedError, DependencyError):
        raise SourceInvalid(f"{file.place} is protected: save a copy without protection") from None
    except Exception as error:  # noqa: BLE001  # pypdf fails in any way on a damaged PDF
        raise SourceInvalid(
            f"{file.place} cannot be read as a PDF ({error}): save or print it to PDF again"
        ) from None


def _groups(texts: Sequence[str], between: int = 0) -> Iterator[range]:
    """Yield the numbers of texts that make a section together; a long one is on its own."""
    start, characters = 0, 0
    for at, text in enumerate(texts):
        if at > start and characters + len(text) > SECTION_CHARACTERS:
            yield range(start, at)
            start, characters = at, 0
        characters += len(text) + between
    if texts:
        yield range(start, len(texts))


def _cut_pages(
    file: SourceFile, reader: PdfReader, texts: Sequence[str], pages: range
) -> Iterator[Section]:
    """Yield the pages as a PDF of their own, halved until it is small enough to be sent."""
    content = _extracted(reader, pages)  # without what no page shows any more
    text = "\n".join(texts[pages.start : pages.stop])
    is_refused = any(name in content for name in _REFUSED_PICTURES)
    if len(pages) == len(texts) and len(file.content) <= MAX_DOCUMENT_BYTES:
        content = file.content
    if len(content) <= MAX_DOCUMENT_BYTES and not is_refused:
        yield _section(file, pages.start, _pages(pages), "pdf", content, text, len(pages))
    elif len(pages) == 1 or is_refused:  # pictures, which the model must do without
        yield _section(file, pages.start, _pages(pages), "txt", text.encode(), text)
    else:
        middle = pages.start + len(pages) // 2
        for half in (range(pages.start, middle), range(middle, pages.stop)):
            yield from _cut_pages(file, reader, texts, half)


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


def _packed(file: SourceFile, kind: Format, blocks: Iterable[_Block]) -> Iterator[Section]:
    """Yield consecutive blocks together, as many as make a section."""
    pieces = [piece for block in blocks for piece in _pieces(block)]
    groups = _groups([piece.text for piece in pieces], between=len(_BETWEEN))
    for number, group in enumerate(groups):
        yield _joined(file, number, kind, pieces[group.start : group.stop])


def _joined(file: SourceFile, number: int, kind: Format, parts: Sequence[_Block]) -> Section:
    text = _BETWEEN.join(part.text for part in parts)
    label = next((part.title for part in parts if part.title), f"part {number + 1}")
    plain = markdown_text(text) if kind == "md" else text
    return _section(file, number, label, kind, text.encode(), plain)


def _pieces(block: _Block) -> Iterator[_Block]:
    """Cut a block that is too long at blank lines, else after a sentence, else anywhere."""
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
    """Yield line (from 0) and title of each heading, but not those in code blocks."""
    tokens = MarkdownIt().parse(markdown)
    for token, inline in itertools.pairwise(tokens):
        if token.type == "heading_open" and token.level == 0 and token.map:
            yield token.map[0], inline.content


def markdown_text(markdown: str) -> str:
    """Return the visible text of Markdown, without its marks and link targets."""
    return html_text(MarkdownIt().enable("table").render(markdown))


def html_text(content: str | bytes) -> str:
    """Return the visible text of HTML: a line per block, headings as in Markdown."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # reading XHTML as HTML is intended
        soup = bs4.BeautifulSoup(content, "html.parser")
    for element in soup(_NOT_TEXT):
        element.decompose()
    for element in soup(_BLOCKS):
        heading = re.fullmatch(r"h([1-6])", element.name)
        element.insert_before("\n\n" + ("#" * int(heading[1]) + " " if heading else ""))
        element.insert_after("\n\n")
    lines = (" ".join(line.split()) for line in soup.get_text().splitlines())
    return re.sub(r"\n{2,}", "\n\n", "\n".join(lines)).strip()
