"""Near-duplicate texts among the earlier rows.

MinHash signatures (Broder 1997) banded for locality-sensitive hashing propose pairs; the exact Jaccard similarity of
their word pairs decides. At the default bands a pair of similarity 0.7 is proposed with probability 0.92, one of 0.8
with 0.998.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import chain, pairwise

import numpy as np
import numpy.typing as npt

ROWS_PER_BAND, BANDS = 6, 21
SIGNATURE = ROWS_PER_BAND * BANDS
CHUNK = 20_000  # texts whose shingles are in memory at once
FIRST = 32  # so many rows of a bucket are compared with all before them
COMPARED = 8  # rows before it that each further one, of a template say, is compared with
AT_ONCE = 4_000_000  # word pairs of compared texts in memory at once
SEED = 1  # of the signatures; fixed, so that another ``seed`` moves no group

MIXER = np.uint64(0x9E3779B97F4A7C15)

Pairs = npt.NDArray[np.int64]


def shingles(text: str) -> list[str]:
    """Pairs of adjacent words, case folded; single words of a text that has fewer than three."""
    words = text.casefold().split()
    return [f"{a} {b}" for a, b in pairwise(words)] if len(words) > 2 else words


def signatures(texts: Sequence[str]) -> npt.NDArray[np.uint32]:
    """MinHash signatures, [texts, SIGNATURE]."""
    from rensa import RMinHash

    found = np.empty((len(texts), SIGNATURE), np.uint32)
    for i in range(0, len(texts), CHUNK):
        sets = [shingles(text) for text in texts[i : i + CHUNK]]
        found[i : i + CHUNK] = RMinHash.digests_from_token_sets(sets, SIGNATURE, SEED)
    return found


def candidates(signature: npt.NDArray[np.uint32]) -> Pairs:
    """Pairs (row, earlier row) that agree in some band, [pairs, 2], each once.

    Linear in the rows, and later ones change no pair of earlier ones.
    """
    rows = len(signature)
    found = np.unique(np.concatenate([part for band in range(BANDS) for part in _in_one_band(signature, band)]))
    return np.stack(np.divmod(found, max(rows, 1)), axis=1)


def _in_one_band(signature: npt.NDArray[np.uint32], band: int) -> Iterator[npt.NDArray[np.int64]]:
    """Pairs of rows in one bucket, each as the one number row * rows + earlier row."""
    rows = len(signature)
    keys = np.zeros(rows, np.uint64)  # two bands with one key only cost a needless comparison
    for column in range(band * ROWS_PER_BAND, (band + 1) * ROWS_PER_BAND):
        keys = (keys ^ signature[:, column]) * MIXER
    order = np.argsort(keys, kind="stable")  # stable: within a bucket, rows stay in order of arrival
    starts = np.flatnonzero(np.r_[True, keys[order][1:] != keys[order][:-1]][:rows])
    place = np.arange(rows) - np.repeat(starts, np.diff(np.r_[starts, rows]))  # in its bucket
    later = np.arange(rows)
    for lag in range(1, FIRST):
        later = later[(place[later] >= lag) & ((place[later] < FIRST) | (lag <= COMPARED))]
        yield order[later] * rows + order[later - lag]


def near_duplicates(texts: Sequence[str], similarity: float) -> Pairs:
    """Pairs (row, earlier row) whose word pairs have at least this Jaccard similarity."""
    pairs = candidates(signatures(texts))
    rows, places = np.unique(pairs, return_inverse=True)
    similar = _similarities([texts[row] for row in rows], places.reshape(pairs.shape)) >= similarity
    return pairs[similar]


def _similarities(texts: Sequence[str], pairs: Pairs) -> npt.NDArray[np.float64]:
    """The Jaccard similarity of the word pairs of two texts, [pairs]; 1 for two texts without a word."""
    from scipy.sparse import csr_array

    numbers: dict[str, int] = {}
    sets = [sorted({numbers.setdefault(one, len(numbers)) for one in shingles(text)}) for text in texts]
    ends = np.cumsum([0, *map(len, sets)])
    holds = csr_array(
        (np.ones(ends[-1], np.int32), np.fromiter(chain(*sets), np.int64), ends), (len(sets), len(numbers) or 1)
    )
    either = np.diff(ends)[pairs].sum(axis=1)
    shared = np.empty(len(pairs), np.int64)
    for part in np.split(np.arange(len(pairs)), np.flatnonzero(np.diff(np.cumsum(either) // AT_ONCE)) + 1):
        shared[part] = (holds[pairs[part, 0]] * holds[pairs[part, 1]]).sum(axis=1)
    either -= shared
    return np.where(either == 0, 1.0, shared / np.maximum(either, 1))


def find_similar(text: str, others: Sequence[str], similarity: float) -> list[int]:
    """Which of the others have at least this Jaccard similarity with the text, all of them compared."""
    own = frozenset(shingles(text))
    return [row for row, other in enumerate(others) if _jaccard(own, frozenset(shingles(other))) >= similarity]


def _jaccard(a: frozenset[str], b: frozenset[str]) -> float:
    shared = len(a & b)
    return shared / (len(a) + len(b) - shared) if shared else float(a == b)


def earlier_by_row(pairs: Pairs) -> dict[int, list[int]]:
    """The pairs by row: the earlier near-duplicates of each row that has any."""
    found: defaultdict[int, list[int]] = defaultdict(list)
    for row, before in pairs.tolist():
        found[row].append(before)
    return found
