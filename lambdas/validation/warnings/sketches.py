"""MinHash sketches of texts, and the similarity of two texts estimated from their sketches.

A text is reduced to the set of its character n-grams ("shingles": 5 characters, or 3 in scripts
without spaces), after normalising case, spaces, punctuation and full-width forms and leaving out
what is invisible. The similarity of two texts is the Jaccard index of their sets, shared / all. A
sketch keeps the `SKETCH_HASHES`
smallest hashes of the set (bottom-k MinHash, Broder 1997:
https://doi.org/10.1109/SEQUEN.1997.666900), so that texts with fewer shingles are compared exactly
and longer ones with a standard error of 0.07. Shingles that begin with one character in four, most
vowels among them, have the smaller hashes: the others of a long text need not be hashed.
"""

from __future__ import annotations

import re
import struct
import unicodedata
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import compress
from zlib import crc32

from lambdas.validation.formats.visible import without_invisible

NEAR = 0.7  # the Jaccard index from which two texts count as near-duplicates
SKETCH_HASHES = 48
_SHINGLE, _DENSE_SHINGLE = 5, 3  # characters
_DENSE_SHARE = 0.3  # of the characters, above which a text counts as written without spaces
_WHOLE_CHARACTERS = 8192  # longer texts are sampled: a record costs milliseconds at most
_SURPLUS = 2  # times as many hashes are sorted as are expected to be kept

_WORDS = re.compile(r"[^\W_]+")
_SENTENCES = re.compile(r"[^.!?\n。!?]{1,400}")
_DENSE = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")
_UNIT_BYTES = 2  # UTF-16: slices of it are slices of characters
_HASH_BITS = 32
_IS_FIRST = bytes(low % 4 == 1 for low in range(256))  # by the low byte of a character
_IS_OTHER = bytes(not each for each in _IS_FIRST)


def _slices(length: int) -> tuple[slice, ...]:
    size = length * _UNIT_BYTES
    return tuple(
        slice(start, start + size) for start in range(0, _WHOLE_CHARACTERS * 2, _UNIT_BYTES)
    )


_SLICES = {length: _slices(length) for length in (_SHINGLE, _DENSE_SHINGLE)}


def normalised(text: str) -> str:
    """Reduce a text to its words as they are read.

    Case, spaces, punctuation, full-width forms and invisible characters do not matter.
    """
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    text = without_invisible(text)
    return " ".join(_WORDS.findall(text.casefold())) or text.strip()


def sketch_text(text: str) -> bytes:
    """Return the text's sketch: its smallest shingle hashes, ascending, four bytes each."""
    hashes = _smallest_hashes(normalised(_sample(text)))
    return struct.pack(f"<{len(hashes)}I", *hashes)


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


def _smallest_hashes(text: str) -> list[int]:
    """Return the smallest hashes of the text's shingles in order, at most `SKETCH_HASHES`."""
    dense = len(_DENSE.findall(text)) > _DENSE_SHARE * len(text) if not text.isascii() else False
    length = _DENSE_SHINGLE if dense else _SHINGLE
    units = text.encode("utf-16-le", errors="surrogatepass")
    count = max(1, len(units) // _UNIT_BYTES - length + 1) if units else 0
    starts = units[: count * _UNIT_BYTES : _UNIT_BYTES]

    def hashed(chosen: bytes) -> list[int]:
        shingles = map(units.__getitem__, compress(_SLICES[length], starts.translate(chosen)))
        return _smallest(set(map(crc32, shingles)))

    first = [each >> 1 for each in hashed(_IS_FIRST)]
    if len(first) == SKETCH_HASHES:
        return first
    others = [each >> 1 | 1 << _HASH_BITS - 1 for each in hashed(_IS_OTHER)]
    return [*first, *others[: SKETCH_HASHES - len(first)]]


def _smallest(hashes: set[int]) -> list[int]:
    """Return the `SKETCH_HASHES` smallest in order, without sorting all."""
    if len(hashes) <= _SURPLUS * SKETCH_HASHES:
        return sorted(hashes)[:SKETCH_HASHES]
    bound = (_SURPLUS * SKETCH_HASHES << _HASH_BITS) // len(hashes)
    few = [each for each in hashes if each < bound]
    return sorted(few if len(few) >= SKETCH_HASHES else hashes)[:SKETCH_HASHES]


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
