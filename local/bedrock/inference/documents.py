"""Documents in a message: validated by Converse's rules, and read.

Rules, read 2026-11-23: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Message.html,
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_DocumentBlock.html. Newer models
accept larger PDFs; names with underscores, which the service accepts against its documentation, are
refused.
"""

from __future__ import annotations

import base64
import binascii
import io
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import bs4
from pypdf import PdfReader

from local.bedrock.protocol import ServiceError, ValidationError

MAX_DOCUMENTS = 5
MAX_BYTES = 4_500_000
_NAME = re.compile(r"(?!.*\s\s)[A-Za-z0-9 ()\[\]-]+")
_BLOCKS = re.compile(r"^(h[1-6]|p|div|li|tr|td|th|br|section|article|pre|blockquote|dt|dd|table)$")
Load = Callable[[str], bytes | None]  # of an S3 URI


@dataclass(frozen=True)
class Document:
    """A document as the model reads it."""

    name: str
    text: str


def read_documents(messages: Sequence[Mapping[str, Any]], load: Load) -> list[Document]:
    """Return the documents of a conversation, in order.

    Raises
    ------
    ValidationError
        As Bedrock refuses them: too many, too large, badly named, unreadable, without a text
        beside them, or not from the user.
    """
    found = [*_blocks(messages)]
    if len(found) > MAX_DOCUMENTS:
        raise ValidationError(
            f"The number of documents ({len(found)}) exceeds the maximum of {MAX_DOCUMENTS}."
        )
    return [_read(block, load) for block in found]


def _blocks(messages: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for message in messages:
        blocks = [block["document"] for block in message["content"] if "document" in block]
        if blocks and message["role"] != "user":
            raise ValidationError("Documents can only be included in messages of the user role.")
        if blocks and not any(block.get("text", "").strip() for block in message["content"]):
            raise ValidationError(
                "A text block must be included in a message that includes a document."
            )
        yield from blocks


def _read(block: Mapping[str, Any], load: Load) -> Document:
    name = block["name"]
    if not _NAME.fullmatch(name):
        raise ValidationError(
            "The document file name can only contain alphanumeric characters, whitespace "
            "characters, hyphens, parentheses, and square brackets. The name can't contain more "
            "than one consecutive whitespace character. Check that the file name conforms to "
            "these restrictions and retry your request."
        )
    source = block["source"]
    if "text" in source:
        return Document(name, source["text"])
    if "content" in source:
        return Document(name, "\n\n".join(block.get("text", "") for block in source["content"]))
    content = _content(source, load)
    if not content or len(content) > MAX_BYTES:
        raise ValidationError(
            f"The document {name} has {len(content)} bytes; a document must have at least 1 and "
            f"at most {MAX_BYTES}."
        )
    return Document(name, _text(name, block.get("format"), content))


def _content(source: Mapping[str, Any], load: Load) -> bytes:
    if "s3Location" in source:
        stored = load(source["s3Location"]["uri"])
        if stored is None:
            raise ValidationError(f"Could not read {source['s3Location']['uri']}.")
        return stored
    try:
        return base64.b64decode(source.get("bytes", ""), validate=True)
    except (binascii.Error, ValueError, TypeError):
        raise ServiceError("SerializationException", "the document is not valid base64") from None


def _text(name: str, kind: str | None, content: bytes) -> str:
    reader = _READERS.get(kind or "")
    if reader is None:
        raise ValidationError(
            f"The document {name} has the format {kind}; this offline Bedrock reads "
            f"{', '.join(_READERS)} only."
        )
    return reader(content)


def _pdf_text(content: bytes) -> str:
    try:
        return "\n\n".join(page.extract_text() for page in PdfReader(io.BytesIO(content)).pages)
    except Exception:  # noqa: BLE001  # a damaged PDF makes pypdf fail in any way
        raise ValidationError("The PDF specified was not valid.") from None


def _plain_text(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValidationError(
            "The document source bytes could not be parsed as the specified format."
        ) from None


def _html_text(content: bytes) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # reading XHTML as HTML is intended
        soup = bs4.BeautifulSoup(content, "html.parser")
    for tag in soup(["script", "style", "head", "template"]):
        tag.decompose()
    for tag in soup(_BLOCKS):
        heading = re.fullmatch(r"h([1-6])", tag.name)
        tag.insert_before("\n\n" + ("#" * int(heading[1]) + " " if heading else ""))
        tag.insert_after("\n\n")
    return str(soup.get_text())


_READERS = {
    "pdf": _pdf_text,
    "html": _html_text,
    "txt": _plain_text,
    "md": _plain_text,
    "csv": _plain_text,
}
