"""A section of a document: what one request gives to the model."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Format = Literal["pdf", "txt", "md", "html"]
_MAX_NAME = 200


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
