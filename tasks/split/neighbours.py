"""Near-duplicate texts among the earlier rows.

MinHash signatures (Broder 1997) banded for locality-sensitive hashing propose pairs; the exact Jaccard similarity of
their word pairs decides. At the default bands a pair of similarity 0.7 is proposed with probability 0.92, one of 0.8
with 0.998.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

ROWS_PER_BAND, BANDS = 6, 21
SIGNATURE = ROWS_PER_BAND * BANDS
CHUNK = 20_000  # texts whose shingles are in memory at once
MAX_COMPARED = 32  # earlier members of a bucket that a row is compared with; bounds the cost of a huge bucket
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
    """Pairs (row, earlier row) that agree in some band, [pairs, 2], each once."""
    found = [pairs for band in range(BANDS) for pairs in _in_one_band(signature, band)]
    return np.unique(np.concatenate(found), axis=0) if found else np.empty((0, 2), np.int64)


def _in_one_band(signature: npt.NDArray[np.uint32], band: int) -> Iterator[Pairs]:
    keys = np.zeros(len(signature), np.uint64)  # two bands with one key only cost a needless comparison
    for column in range(band * ROWS_PER_BAND, (band + 1) * ROWS_PER_BAND):
        keys = (keys ^ signature[:, column]) * MIXER
    order = np.argsort(keys, kind="stable")  # stable: within a bucket, rows stay in order of arrival
    bucket = np.cumsum(np.r_[False, keys[order][1:] != keys[order][:-1]])
    for lag in range(1, MAX_COMPARED + 1):
        same = np.flatnonzero(bucket[lag:] == bucket[:-lag])
        if not same.size:
            return
        yield np.stack([order[same + lag], order[same]], axis=1)


def near_duplicates(texts: Sequence[str], similarity: float) -> Pairs:
    """Pairs (row, earlier row) whose word pairs have at least this Jaccard similarity."""
    pairs = candidates(signatures(texts))
    sets = {int(row): frozenset(shingles(texts[row])) for row in np.unique(pairs)}
    kept = [_jaccard(sets[a], sets[b]) >= similarity for a, b in pairs.tolist()]
    agreed: Pairs = pairs[np.asarray(kept, dtype=bool)]
    return agreed


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
