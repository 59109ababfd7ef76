"""Descriptors of a text, which need no model: counted over its bytes, so that a million texts take seconds."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy.sparse import csr_array

from tasks.redaction import ADDRESS

if TYPE_CHECKING:
    from sklearn.feature_extraction.text import HashingVectorizer

HASHES = 2**18  # words are hashed into this many columns: a collision among the frequent ones is rare
TERMS_FROM = 2_000  # the first characters of a text, whose words count: the rest is of the same kind
URL = r"(?i)https?://|www\."
WORD = r"(?u)\b[^\W\d_]{2,}\b"

UPPER, DIGIT, LETTER, SPACE = (
    np.isin(np.arange(256), list(characters))
    for characters in (
        b"ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        b"0123456789",
        b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
        b" \t\n\r\v\f",
    )
)
BYTE = np.arange(256)
CONTINUES = (BYTE >= 0x80) & (BYTE < 0xC0)  # the later bytes of a character in UTF-8
FOREIGN = BYTE >= 0xC0  # the first byte of a character outside ASCII


def describe(text: pa.Array) -> dict[str, NDArray[np.float64]]:
    """Length and composition of each text [n]; shares are of its characters, letters outside ASCII are "foreign"."""
    data, offsets = _bytes(text)
    characters = _per_text(~CONTINUES[data], offsets)
    at_least_one = np.maximum(characters, 1)
    space = SPACE[data]
    starts = ~space
    starts[1:] &= space[:-1]
    first = offsets[:-1][offsets[:-1] < offsets[1:]]  # of each text that is not empty: no word reaches in from before
    starts[first] = ~space[first]
    signs = ~(LETTER | DIGIT | SPACE | (BYTE >= 0x80))
    return {
        "words": _per_text(starts, offsets),
        "characters": characters,
        "share of capitals": _per_text(UPPER[data], offsets) / at_least_one,
        "share of digits": _per_text(DIGIT[data], offsets) / at_least_one,
        "share of signs": _per_text(signs[data], offsets) / at_least_one,
        "share of foreign characters": _per_text(FOREIGN[data], offsets) / at_least_one,
        "links": pc.count_substring_regex(text, URL).to_numpy().astype(np.float64),
    }


def _bytes(text: pa.Array) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The UTF-8 bytes of the texts in a row, and where each begins and the last ends [n + 1]."""
    lengths = pc.binary_length(text).to_numpy()
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    whole = "".join(text.to_pylist()).encode()
    return np.frombuffer(whole, dtype=np.uint8), offsets


def _per_text(mask: NDArray[np.bool_], offsets: NDArray[np.int64]) -> NDArray[np.float64]:
    """How often the mask is set in each text [n]."""
    counts, some = np.zeros(len(offsets) - 1), offsets[:-1] < offsets[1:]
    if some.any():
        counts[some] = np.add.reduceat(mask, offsets[:-1][some], dtype=np.int64)
    return counts


def terms(text: pa.Array) -> csr_array:
    """[n, HASHES], one where the text holds a word that hashes there."""
    return csr_array(_hasher().transform(cleaned(text)))


def cleaned(text: pa.Array | pa.ChunkedArray) -> list[str]:
    """The beginnings of the texts, without mail addresses."""
    start = pc.utf8_slice_codeunits(text, 0, TERMS_FROM)
    # the parts of an address are not words, and name people
    without: list[str] = pc.replace_substring_regex(start, ADDRESS, " ").to_pylist()
    return without


def word_of(column: int, text: pa.ChunkedArray) -> str:
    """The word behind a hash: of those that hash to this column, the one that most of these texts hold."""
    split = _hasher().build_analyzer()
    words = Counter(word for start in cleaned(text) for word in set(split(start)))
    names = sorted(words, key=lambda word: (-words[word], word))
    hashed = _hasher().transform(names).indices if names else []  # each name is one word, so one column
    return next((name for name, found in zip(names, hashed, strict=True) if found == column), f"#{column}")


def _hasher() -> HashingVectorizer:
    from sklearn.feature_extraction.text import HashingVectorizer

    return HashingVectorizer(
        n_features=HASHES, binary=True, norm=None, alternate_sign=False, token_pattern=WORD, dtype=np.float32
    )
