"""MinHash sketches of texts, and the similarity of two texts estimated from their sketches.

A text is reduced to the set of its character n-grams ("shingles": 5 characters, or 3 in scripts
without spaces), after normalising case, spaces, punctuation and full-width forms and leaving out
what is invisible. The similarity of two texts is the Jaccard index of their sets, shared / all. A
sketch keeps the `SKETCH_HASHES`
smallest hashes of the set (bottom-k MinHash, Broder 1997:
https://doi.org/10.1109/SEQUEN.1997.666900), so that texts with fewer shingles are compared exactly
and longer ones with a standard error of 0.07. Shingles that begin with one character in four, most
vowels among them, have the smaller hashes.

Many texts are hashed at once. The hash is a CRC-32, which is linear: that of a shingle is the sum
of one number per character, looked up in a table.
"""

from __future__ import annotations

import re
import struct
import unicodedata
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import pairwise
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from lambdas.validation.formats.visible import without_invisible

NEAR = 0.7  # the Jaccard index from which two texts count as near-duplicates
SKETCH_HASHES = 48
_SHINGLE, _DENSE_SHINGLE = 5, 3  # characters
_DENSE_SHARE = 0.3  # of the characters, above which a text counts as written without spaces
_WHOLE_CHARACTERS = 8192  # longer texts are sampled: a record costs milliseconds at most
_TEXTS_AT_ONCE = 256  # few enough for a processor's cache, and for a function's memory

_WORDS = re.compile(r"[^\W_]+")
_SENTENCES = re.compile(r"[^.!?\n。!?]{1,400}")
_DENSE = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]+")
_UNIT_BYTES = 2  # UTF-16: a shingle is a number of code units
_FIRST, _OTHER = np.uint32(0), np.uint32(1 << 31)  # in the hash, by the shingle's character
_ASCII_WORDS = {
    code: chr(code).lower() if chr(code).isalnum() else " " if is_kept else None
    for code in range(128)
    for is_kept in [chr(code).isspace() or chr(code).isprintable()]
}


def normalised(text: str) -> str:
    """Reduce a text to its words as they are read.

    Case, spaces, punctuation, full-width forms and invisible characters do not matter.
    """
    if text.isascii():
        words = " ".join(text.translate(_ASCII_WORDS).split())
        return words or without_invisible(text).strip()
    text = without_invisible(unicodedata.normalize("NFKC", text))
    return " ".join(_WORDS.findall(text.casefold())) or text.strip()


def sketch_text(text: str) -> bytes:
    """Return the text's sketch: its smallest shingle hashes, ascending, four bytes each."""
    return sketch_texts([text])[0]


def sketch_texts(texts: Sequence[str]) -> list[bytes]:
    """Return the sketch of each text."""
    starts = range(0, len(texts), _TEXTS_AT_ONCE)
    parts = (texts[start : start + _TEXTS_AT_ONCE] for start in starts)
    return [sketch for part in parts for sketch in _sketches(part)]


def similarity(one: bytes, other: bytes) -> float:
    """Estimate the Jaccard index of two texts from their sketches."""
    shared, every = shared_and_all(hashes_of(one), hashes_of(other))
    return len(shared) / len(every) if every else 0.0


def without_short_texts(sketches: Iterable[bytes]) -> list[bytes]:
    """Empty the sketches of short texts: two answers "yes" are not duplicates."""
    return [each if len(each) == SKETCH_HASHES * 4 else b"" for each in sketches]


def shared_and_all(one: Sequence[int], other: Sequence[int]) -> tuple[set[int], set[int]]:
    """Return the shared and all hashes, up to where both sketches are complete."""
    full = [each[-1] for each in (one, other) if len(each) == SKETCH_HASHES]
    if full:
        bound = min(full)
        one, other = one[: bisect_right(one, bound)], other[: bisect_right(other, bound)]
    first, second = set(one), set(other)
    return first & second, first | second


def hashes_of(sketch: bytes) -> tuple[int, ...]:
    return struct.unpack(f"<{len(sketch) // 4}I", sketch)


def _sketches(texts: Sequence[str]) -> list[bytes]:
    words = [normalised(_sample(text)) for text in texts]
    units = [each.encode("utf-16-le", errors="surrogatepass") for each in words]
    sketches = [b""] * len(texts)
    for length in (_SHINGLE, _DENSE_SHINGLE):
        chosen = [at for at, each in enumerate(words) if each and _shingle(each) == length]
        hashed = _smallest_hashes([units[at] for at in chosen], length)
        for at, sketch in zip(chosen, hashed, strict=True):
            sketches[at] = sketch
    return sketches


def _shingle(text: str) -> int:
    """Return how many characters the text's shingles have; a short one is itself its only one."""
    dense = 0 if text.isascii() else sum(map(len, _DENSE.findall(text)))
    return _DENSE_SHINGLE if dense > _DENSE_SHARE * len(text) else _SHINGLE


def _smallest_hashes(texts: Sequence[bytes], length: int) -> list[bytes]:
    """Return the smallest hashes of each text's shingles in order, at most `SKETCH_HASHES`.

    Texts are UTF-16; one shorter than a shingle is filled up with zeros.
    """
    texts = [each.ljust(length * _UNIT_BYTES, b"\0") for each in texts]
    units = np.frombuffer(b"".join(texts), "<u2")
    sizes = np.array([len(each) // _UNIT_BYTES for each in texts], np.int64)
    counts = np.minimum(sizes - length + 1, _WHOLE_CHARACTERS)
    owners = np.repeat(np.arange(len(texts), dtype=np.uint64), counts)
    begins = np.repeat(starts(sizes) - starts(counts), counts) + np.arange(len(owners))
    hashes = np.zeros(len(units) - length + 1 if len(units) else 0, np.uint32)
    for at, table in enumerate(_crc_tables(length)):
        hashes ^= table[units[at : at + len(hashes)]]
    hashes = hashes >> np.uint32(1) | np.where(units[: len(hashes)] % 4 == 1, _FIRST, _OTHER)
    return _first_of_each(owners << np.uint64(32) | hashes[begins], len(texts))


def _first_of_each(keys: NDArray[np.uint64], texts: int) -> list[bytes]:
    """Return the smallest distinct hashes of each text; a key is its position and a hash."""
    keys.sort()  # far faster than np.unique
    keys = keys[np.diff(keys, prepend=np.uint64(2**64 - 1)) > 0]
    counts = np.bincount(keys >> 32, minlength=texts)
    ranks = np.arange(len(keys)) - np.repeat(starts(counts), counts)
    smallest = keys[ranks < SKETCH_HASHES].astype("<u4").tobytes()
    ends = np.cumsum(np.minimum(counts, SKETCH_HASHES) * 4).tolist()
    return [smallest[start:end] for start, end in pairwise([0, *ends])]


def starts(sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return where each of the pieces begins that stand one after the other."""
    return np.cumsum(sizes) - sizes


@cache
def _crc_tables(length: int) -> list[NDArray[np.uint32]]:
    """Return for each place in a shingle what each code unit there adds to the hash.

    Bits add up, by exclusive or: a table of units is made of its sixteen bits' numbers.
    """
    nothing = crc32(bytes(length * _UNIT_BYTES))

    def table(place: int) -> NDArray[np.uint32]:
        sums = np.array([0 if place else nothing], np.uint32)
        for bit in range(8 * _UNIT_BYTES):
            shingle = (1 << 8 * _UNIT_BYTES * place + bit).to_bytes(length * _UNIT_BYTES, "little")
            sums = np.concatenate([sums, sums ^ np.uint32(crc32(shingle) ^ nothing)])
        return sums

    return [table(place) for place in range(length)]


def _sample(text: str) -> str:
    """Return some sentences of a long text, chosen by content so that edits do not shift them."""
    share = len(text) // _WHOLE_CHARACTERS
    if not share:
        return text
    mask = (1 << share.bit_length()) - 1
    pieces = (each.strip() for each in _SENTENCES.findall(text))
    return " ".join(each for each in pieces if not _crc(each) & mask)


def _crc(text: str) -> int:
    return crc32(text.encode(errors="surrogatepass"))
