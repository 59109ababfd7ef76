"""TF-IDF of n-grams, equal to scikit-learn's ``TfidfVectorizer(sublinear_tf=True)``, one for each block of terms.

A block is the words or the characters; each has a norm of its own, as in scikit-learn's ``FeatureUnion``.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array, diags_array, hstack

from tasks.core.rows import Text
from tasks.modelling.linear import ngrams

Floats = npt.NDArray[np.float64]
WORD_NGRAMS = 2
CHAR_NGRAMS = (3, 4)
MIN_ROWS = 2  # that a term must occur in


@dataclass(frozen=True)
class Block:
    """Terms in alphabetical order, and how often each occurs in each training row, [rows, terms]."""

    terms: list[str]
    counts: csr_array

    @property
    def idf(self) -> Floats:
        """The inverse document frequency of each term, smoothed, [terms]."""
        rows: Floats = np.bincount(self.counts.indices, minlength=len(self.terms)).astype(np.float64)
        found: Floats = np.log((1 + self.counts.shape[0]) / (1 + rows)) + 1
        return found

    def of_second(self) -> Block:
        """The same, of the second text of pairs."""
        return Block([ngrams.SECOND + term for term in self.terms], self.counts)


def no_terms(rows: int) -> Block:
    """A block that is left out."""
    return Block([], csr_array((rows, 0)))


def words(texts: Sequence[str], most: int) -> Block:
    """The words and pairs of words of training texts; ``most``: the most frequent ones that are kept."""
    return _limited(*_counted(ngrams.words(text, WORD_NGRAMS) for text in texts), most)


def characters(texts: Sequence[str], most: int) -> Block:
    """Their n-grams of characters: counted once for each part between blanks, then by how often a text has it."""
    parts, in_rows = _counted(ngrams.parts(text) for text in texts)
    terms, in_parts = _counted(ngrams.characters(part, *CHAR_NGRAMS) for part in parts)
    return _limited(terms, csr_array(in_rows @ in_parts), most)


def _counted(rows: Iterable[Iterable[str]]) -> tuple[list[str], csr_array]:
    """The distinct terms as they come, and how often each row has each, [rows, terms]."""
    numbers: defaultdict[str, int] = defaultdict()
    numbers.default_factory = numbers.__len__  # a new term gets the next number
    columns, ends = array("i"), array("i", [0])
    for row in rows:
        columns.extend(map(numbers.__getitem__, row))
        ends.append(len(columns))
    return list(numbers), _counts(columns, ends, len(numbers))


def _counts(columns: array[int], ends: array[int], terms: int) -> csr_array:
    """How often each row has each term, from the terms of all rows and where each row's end."""
    found = np.frombuffer(columns, np.int32) if columns else np.empty(0, np.int32)
    counts = csr_array((np.ones(len(found)), found, np.frombuffer(ends, np.int32)), shape=(len(ends) - 1, terms))
    counts.sum_duplicates()
    return counts


def _limited(terms: list[str], counts: csr_array, most: int) -> Block:
    """The terms of MIN_ROWS rows, or all where there are none such; of too many the most frequent, then by name."""
    rows = np.bincount(counts.indices, minlength=len(terms))
    kept = np.flatnonzero(rows >= MIN_ROWS) if (rows >= MIN_ROWS).any() else np.arange(len(terms))
    order = sorted(kept.tolist(), key=terms.__getitem__)
    if len(order) > most:
        total = np.bincount(counts.indices, counts.data, minlength=len(terms))[order]
        order = [order[i] for i in np.sort(np.argsort(-total, kind="stable")[:most])]
    return Block([terms[i] for i in order], csr_array(counts[:, np.array(order, np.int32)]))


def counted(texts: Sequence[Text], reader: ngrams.Reader, terms: int) -> csr_array:
    """How often each text has each term of the reader's vocabulary, [rows, terms]."""
    columns, ends = array("i"), array("i", [0])
    for text in texts:
        columns.extend(reader.numbers_of(text))
        ends.append(len(columns))
    return _counts(columns, ends, terms)


def weighted(counts: csr_array, idf: Floats, sizes: Sequence[int]) -> csr_array:
    """(1 + log count) × idf, each block of ``sizes`` terms divided by its norm, [rows, terms]."""
    ends = np.cumsum([0, *sizes])
    blocks = [_normalised(counts[:, a:b], idf[a:b]) for a, b in pairwise(ends)]
    return csr_array(hstack(blocks, format="csr"))


def _normalised(counts: csr_array, idf: Floats) -> csr_array:
    values = csr_array(counts, dtype=np.float64, copy=True)
    values.data = (1 + np.log(values.data)) * idf[values.indices]
    norm = np.sqrt((values * values).sum(axis=1))
    return csr_array(diags_array(1 / np.where(norm == 0, 1, norm)) @ values)
