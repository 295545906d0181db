"""Reads source files, whole and unzipped, from disk, S3 or standard input."""

from __future__ import annotations

import gzip
import sys
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import charset_normalizer

from lambdas.aws.artefacts import ArtefactMissing, Artefacts

STANDARD_INPUT = "-"
S3, _GZIP = "s3://", b"\x1f\x8b"
_WESTERN = "cp1252"
# What data is saved in besides UTF-8: iconv's name, and the one that people know.
_ENCODINGS = {
    "utf_16": ("UTF-16", "UTF-16 (Excel: Unicode Text)"),
    "utf_16_le": ("UTF-16LE", "UTF-16"),
    "utf_16_be": ("UTF-16BE", "UTF-16"),
    "euc_jp": ("EUC-JP", "EUC-JP"),
    "cp932": ("CP932", "Shift-JIS (CP932)"),
    _WESTERN: ("WINDOWS-1252", "Windows-1252 or Latin-1 (Excel: CSV)"),
}


class SourceInvalid(Exception):
    """A source cannot be used; says which file, which line, why and what to do."""


@dataclass(frozen=True)
class SourceFile:
    """A file, wherever it came from."""

    place: str  # as messages show it
    content: bytes

    @property
    def name(self) -> str:
        return PurePosixPath(self.place).name

    @property
    def suffix(self) -> str:
        """What the name ends in, without ".gz" and in lower case."""
        return PurePosixPath(self.name.lower().removesuffix(".gz")).suffix

    def text(self) -> str:
        """Decode UTF-8, with or without a byte order mark.

        Raises
        ------
        SourceInvalid
            It is in another encoding; names the likely one, and how to convert it.
        """
        try:
            return self.content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = self.content.count(b"\n", 0, error.start) + 1
            byte = f"{self.place}:{line}: byte 0x{self.content[error.start]:02x} is not UTF-8"
            if _is_mostly_utf_8(self.content):
                raise SourceInvalid(f"{byte}, though most of the file is: correct it") from None
            encoding, name = _likely_encoding(self.content)
            raise SourceInvalid(
                f"{byte}; the file is probably in {name}: save it as UTF-8 (in Excel: Save As, CSV "
                f"UTF-8), or convert it: iconv -f {encoding} -t UTF-8 < {self.name} > "
                f"utf-8{self.suffix}"
            ) from None


def _is_mostly_utf_8(content: bytes) -> bool:
    text = content.decode("utf-8", errors="replace")
    broken = text.count("\ufffd")
    return sum(not character.isascii() for character in text) > 2 * broken


def _likely_encoding(content: bytes) -> tuple[str, str]:
    best = charset_normalizer.from_bytes(content, cp_isolation=[*_ENCODINGS]).best()
    return _ENCODINGS[best.encoding if best else _WESTERN]


def read_file(place: str) -> SourceFile:
    """Read a path, an s3:// URI or standard input ("-").

    Raises
    ------
    SourceInvalid
        There is no such file, or it cannot be read or unzipped.
    """
    content = _content(place)
    if content.startswith(_GZIP):
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            raise SourceInvalid(f"{place} cannot be unzipped: {error}") from None
    if not content:
        raise SourceInvalid(f"{place} is empty")
    return SourceFile("standard input" if place == STANDARD_INPUT else place, content)


def _content(place: str) -> bytes:
    if place == STANDARD_INPUT:
        return sys.stdin.buffer.read()
    try:
        if place.startswith(S3):
            bucket, key = bucket_and_key(place)
            return Artefacts(bucket).read_bytes(key)
        return Path(place).read_bytes()
    except OSError as error:
        raise SourceInvalid(f"{place} cannot be read: {error.strerror}") from None
    except ArtefactMissing as error:
        raise SourceInvalid(f"{error}; for a folder, end its name in /") from None


def list_folder(place: str) -> list[str] | None:
    """Return the names of the files in a folder; None if the place is not a folder."""
    if place == STANDARD_INPUT or (place.startswith(S3) and not place.endswith("/")):
        return None
    if place.startswith(S3):
        bucket, prefix = bucket_and_key(place)
        names = (key.removeprefix(prefix) for key in Artefacts(bucket).list_keys(prefix))
        return [name for name in names if name and "/" not in name]
    folder = Path(place)
    if not folder.is_dir():
        return None
    return sorted(path.name for path in folder.iterdir() if path.is_file())


def in_folder(place: str, name: str) -> str:
    return f"{place}{name}" if place.startswith(S3) else str(Path(place) / name)


def bucket_and_key(uri: str) -> tuple[str, str]:
    bucket, _, key = uri.removeprefix(S3).partition("/")
    if not bucket or not key:
        raise SourceInvalid(f"{uri} names no object: give s3://BUCKET/KEY, or a folder s3://…/")
    return bucket, key
