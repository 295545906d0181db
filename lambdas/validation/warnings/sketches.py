"""MinHash sketches of texts, and the similarity of two texts estimated from their sketches.

A text is reduced to the set of its character n-grams ("shingles": 5 characters, or 3 in scripts
without spaces), after normalising case, spaces, punctuation and full-width forms and leaving out
what is invisible. The similarity of two texts is the Jaccard index of their sets, shared / all. A
sketch keeps the `SKETCH_HASHES` smallest hashes of the set (bottom-k MinHash, Broder 1997:
https://doi.org/10.1109/SEQUEN.1997.666900), so that texts with fewer shingles are compared exactly
and longer ones with a standard error of 0.07.

Many texts are hashed at once, by tabulation (https://doi.org/10.1145/2220357.2220361): the hash of
a shingle is the exclusive or of one random number per character, looked up in a table.
"""

from __future__ import annotations

import re
import struct
import unicodedata
from collections.abc import Iterable, Sequence
from functools import cache
from hashlib import shake_256
from itertools import pairwise
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from lambdas.validation.formats.visible import without_invisible

NEAR = 0.7  # the Jaccard index from which two texts count as near-duplicates
SKETCH_HASHES = 48
_SHINGLE, _DENSE_SHINGLE = 5, 3  # characters
# Of its first characters, above which a text counts as written without spaces.
_DENSE_SHARE, _START_CHARACTERS = 0.3, 200
_WHOLE_CHARACTERS = 8192  # longer texts are sampled: a record costs milliseconds at most
_MOST_HASH = 0xFFFFFFFF
_TEXTS_AT_ONCE = 256  # few enough for a processor's cache, and for a function's memory

_WORDS = re.compile(r"[^\W_]+")
_SENTENCES = re.compile(r"[^.!?\n。!?]{1,400}")
_DENSE = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]+")
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
        return words or " ".join(without_invisible(text).split())
    text = without_invisible(unicodedata.normalize("NFKC", text))
    return " ".join(_WORDS.findall(text.casefold()) or text.split())


def sketch_text(text: str) -> bytes:
    """Return the text's sketch: its smallest shingle hashes, ascending, four bytes each."""
    return sketch_texts([text])[0]


def sketch_texts(texts: Sequence[str]) -> list[bytes]:
    """Return the sketch of each text."""
    return sketch_words([sampled(text, normalised(text)) for text in texts])


def sketch_words(words: Sequence[str]) -> list[bytes]:
    """Return the sketch of each normalised and sampled text."""
    parts = (words[at : at + _TEXTS_AT_ONCE] for at in range(0, len(words), _TEXTS_AT_ONCE))
    return [sketch for part in parts for sketch in _sketches(part)]


def similarity(one: bytes, other: bytes) -> float:
    """Estimate the Jaccard index of two texts from sketches, up to where both are complete."""
    hashes = [struct.unpack(f"<{len(each) // 4}I", each) for each in (one, other)]
    bound = min((each[-1] for each in hashes if len(each) == SKETCH_HASHES), default=_MOST_HASH)
    first, second = ({each for each in some if each <= bound} for some in hashes)
    return len(first & second) / len(first | second) if first or second else 0.0


def without_short_texts(sketches: Iterable[bytes]) -> list[bytes]:
    """Empty the sketches of short texts: two answers "yes" are not duplicates."""
    return [each if len(each) == SKETCH_HASHES * 4 else b"" for each in sketches]


def _sketches(words: Sequence[str]) -> list[bytes]:
    sketches = [b""] * len(words)
    for length in (_SHINGLE, _DENSE_SHINGLE):
        chosen = [at for at, each in enumerate(words) if each and _shingle(each) == length]
        hashed = _smallest_hashes([words[at].ljust(length, "\0") for at in chosen], length)
        for at, sketch in zip(chosen, hashed, strict=True):
            sketches[at] = sketch
    return sketches


def _shingle(text: str) -> int:
    """Return how many characters the text's shingles have; a short one is itself its only one."""
    start = text[:_START_CHARACTERS]
    dense = 0 if start.isascii() else sum(map(len, _DENSE.findall(start)))
    return _DENSE_SHINGLE if dense > _DENSE_SHARE * len(start) else _SHINGLE


def _smallest_hashes(texts: Sequence[str], length: int) -> list[bytes]:
    """Return the smallest hashes of each text's shingles in order, at most `SKETCH_HASHES`."""
    units = np.frombuffer("\n".join(texts).encode("utf-16-le", errors="surrogatepass"), "<u2")
    owners = np.cumsum(units == ord("\n"), dtype=np.uint64)
    hashes = np.zeros(max(0, len(units) - length + 1), np.uint32)
    for at, table in enumerate(_tables(length)):
        hashes ^= table[units[at : at + len(hashes)]]
    # A line feed belongs to the text after it.
    first, last = owners[: len(hashes)], owners[len(owners) - len(hashes) :]
    is_of_one = (first == last) & (units[: len(hashes)] != ord("\n"))
    keys = np.sort((first << np.uint64(32) | hashes)[is_of_one])  # far faster than np.unique
    keys = keys[np.diff(keys, prepend=np.uint64(2**64 - 1)) > 0]
    counts = np.bincount(keys >> 32, minlength=len(texts))
    ranks = np.arange(len(keys)) - np.repeat(starts(counts), counts)
    kept = keys[ranks < SKETCH_HASHES].astype("<u4").tobytes()
    ends = np.cumsum(np.minimum(counts, SKETCH_HASHES) * 4).tolist()
    return [kept[start:end] for start, end in pairwise([0, *ends])]


def starts(sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return where each of the pieces begins that stand one after the other."""
    return np.cumsum(sizes) - sizes


@cache
def _tables(length: int) -> NDArray[np.uint32]:
    """Return a random even number for each code unit at each place of a shingle."""
    numbers = np.frombuffer(shake_256(b"2").digest(length << 18), np.uint32)
    return (numbers & ~np.uint32(1)).reshape(length, 1 << 16)


def sampled(text: str, words: str) -> str:
    """Return a text's words, of a long text those of some sentences.

    They are chosen by content so that edits do not shift them.
    """
    share = len(text) // _WHOLE_CHARACTERS
    if not share:
        return words
    mask = (1 << share.bit_length()) - 1
    pieces = (each.strip() for each in _SENTENCES.findall(text))
    chosen = (each for each in pieces if not crc32(each.encode(errors="surrogatepass")) & mask)
    return normalised(" ".join(chosen))[: 2 * _WHOLE_CHARACTERS]
