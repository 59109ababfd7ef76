"""Near-duplicate texts among the earlier rows.

MinHash signatures (Broder 1997) banded for locality-sensitive hashing propose pairs; the exact Jaccard similarity of
their word pairs decides. At the default bands a pair of similarity 0.7 is proposed with probability 0.92, one of 0.8
with 0.998.

Time is linear in the rows, and so is what stands in files until the search ends; memory holds the pairs that were
found, one band's keys and ``AT_ONCE`` word pairs.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Sequence
from itertools import chain, pairwise
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tasks.core.tables import batches, scratch

ROWS_PER_BAND, BANDS = 6, 21
SIGNATURE = ROWS_PER_BAND * BANDS
FIRST = 32  # so many rows of a bucket are compared with all before them
COMPARED = 8  # rows before it that each further one, of a template say, is compared with
ENOUGH, MOST = 8, 24  # near-duplicates of such a row, or rows it was compared with, after which no more are looked for
AT_ONCE = 4_000_000  # word pairs of compared texts in memory at once
HASHES = 2**63 - 1  # of word pairs, the chance that two of a pair of texts agree is below 1e-12
SEED = 1  # of the signatures; fixed, so that another ``seed`` moves no group

MIXER = np.uint64(0x9E3779B97F4A7C15)

Pairs = npt.NDArray[np.int64]
Bits = npt.NDArray[np.bool_]


def shingles(text: str) -> list[str]:
    """Pairs of adjacent words, case folded; single words of a text that has fewer than three."""
    words = text.casefold().split()
    return [f"{a} {b}" for a, b in pairwise(words)] if len(words) > 2 else words


def signatures(hashes: Sequence[Sequence[int]]) -> npt.NDArray[np.uint32]:
    """MinHash signatures of texts by the hashes of their shingles, [texts, SIGNATURE]."""
    from rensa import RMinHash

    found = np.empty((len(hashes), SIGNATURE), np.uint32)
    for i in range(0, len(hashes), 500):  # a list of more does not fit into a processor's cache
        rows = RMinHash.digest_matrix_from_token_hash_sets(hashes[i : i + 500], SIGNATURE, SEED).to_rows()
        found[i : i + 500] = rows
    return found


def near_duplicates(texts: pa.ChunkedArray, similarity: float) -> Pairs:
    """Pairs (row, earlier row) whose word pairs have at least this Jaccard similarity, [pairs, 2], in order.

    Later rows change no pair of earlier ones.
    """
    rows = len(texts)
    found = np.empty(0, np.int64)  # row * rows + earlier row
    near, tried = np.zeros(rows, np.int32), np.zeros(rows, np.int32)
    with scratch() as keys, scratch() as hashes:
        ends, sizes = _write(texts, keys, hashes)
        for band in range(BANDS):
            looking = (near < ENOUGH) & (tried < MOST)
            proposed = np.sort(np.concatenate([*_in_one_band(_keys(keys, band, sizes), looking)]))
            proposed = proposed[~_among(proposed, found)]
            pairs = np.stack(np.divmod(proposed, max(rows, 1)), axis=1)
            similar = _similarities(pairs, ends, hashes) >= similarity
            tried += np.bincount(pairs[:, 0], minlength=rows).astype(np.int32)
            near += np.bincount(pairs[similar, 0], minlength=rows).astype(np.int32)
            found = np.sort(np.concatenate([found, proposed[similar]]), kind="stable")  # merges what is in order
    return np.stack(np.divmod(found, max(rows, 1)), axis=1)


def _write(texts: pa.ChunkedArray, keys: BinaryIO, hashes: BinaryIO) -> tuple[npt.NDArray[np.int64], list[int]]:
    """Write the keys of the bands, [BANDS, rows] for each batch, and the hashes of each text's word pairs.

    Returned are where those of each row end, behind a 0, [rows + 1], and the rows of each batch.
    """
    from rensa import RMinHash

    counts = [np.zeros(1, np.int64)]
    for batch in batches(pa.table({"text": texts})):
        hashed = RMinHash.hash_token_sets([shingles(text or "") for text in batch["text"].to_pylist()])
        keys.write(_band_keys(signatures(hashed)).tobytes())
        counts.append(np.fromiter(map(len, hashed), np.int64, len(hashed)))
        hashes.write((np.fromiter(chain.from_iterable(hashed), np.uint64) >> np.uint64(1)).tobytes())
    hashes.flush()
    return np.cumsum(np.concatenate(counts)), [len(count) for count in counts[1:]]


def _band_keys(signature: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint64]:
    """What rows of one bucket have in common, [BANDS, rows]."""
    bands = signature.reshape(-1, BANDS, ROWS_PER_BAND)
    keys = np.zeros(bands.shape[:2], np.uint64)  # two bands with one key only cost a needless comparison
    for column in range(ROWS_PER_BAND):
        keys = (keys ^ bands[:, :, column]) * MIXER
    return np.ascontiguousarray(keys.T)


def _keys(file: BinaryIO, band: int, sizes: Sequence[int]) -> npt.NDArray[np.uint64]:
    """The keys of one band, [rows]."""
    parts, start = [], 0
    for size in sizes:
        file.seek(8 * (start * BANDS + band * size))
        parts.append(np.frombuffer(file.read(8 * size), np.uint64))
        start += size
    return np.concatenate(parts)


def _in_one_band(keys: npt.NDArray[np.uint64], looking: Bits) -> Iterator[npt.NDArray[np.int64]]:
    """Pairs of rows in one bucket, each as the one number row * rows + earlier row.

    Of rows with ``FIRST`` or more before them those that are not ``looking``, [rows], have none.
    """
    rows = len(keys)
    order = np.argsort(keys, kind="stable")  # stable: within a bucket, rows stay in order of arrival
    starts = np.flatnonzero(np.r_[True, keys[order][1:] != keys[order][:-1]][:rows])
    place = np.arange(rows) - np.repeat(starts, np.diff(np.r_[starts, rows]))  # in its bucket
    further = looking[order]
    later = np.arange(rows)
    for lag in range(1, FIRST):
        later = later[(place[later] >= lag) & ((place[later] < FIRST) | ((lag <= COMPARED) & further[later]))]
        yield order[later] * rows + order[later - lag]


def _among(values: npt.NDArray[np.int64], found: npt.NDArray[np.int64]) -> Bits:
    """Whether each value is among those found; both are in order."""
    places = np.searchsorted(found, values)
    return np.asarray(np.r_[found, -1][places] == values)


def _similarities(pairs: Pairs, ends: npt.NDArray[np.int64], hashes: BinaryIO) -> npt.NDArray[np.float64]:
    """The Jaccard similarity of the word pairs of two texts, [pairs]; 1 for two texts without a word."""
    found = np.ones(len(pairs))
    either = np.diff(ends)[pairs].sum(axis=1)
    if either.any():
        with mmap.mmap(hashes.fileno(), 0, prot=mmap.PROT_READ) as file:
            for part in np.split(np.arange(len(pairs)), np.flatnonzero(np.diff(np.cumsum(either) // AT_ONCE)) + 1):
                found[part] = _jaccards(pairs[part], ends, file)
                file.madvise(mmap.MADV_DONTNEED)  # what was read of the file takes no memory any more
    return found


def _jaccards(pairs: Pairs, ends: npt.NDArray[np.int64], file: mmap.mmap) -> npt.NDArray[np.float64]:
    from scipy.sparse import csr_array

    rows, places = np.unique(pairs, return_inverse=True)
    places = places.reshape(pairs.shape)
    lengths = ends[rows + 1] - ends[rows]
    own = np.r_[0, np.cumsum(lengths)]
    at = np.arange(own[-1]) + np.repeat(ends[rows] - own[:-1], lengths)
    holds = csr_array((np.ones(own[-1], np.int8), np.frombuffer(file, np.int64)[at], own), (len(rows), HASHES))
    holds.sum_duplicates()
    holds.data[:] = 1  # each word pair once
    either = np.diff(holds.indptr)[places].sum(axis=1)
    shared = np.diff((holds[places[:, 0]] * holds[places[:, 1]]).indptr)
    either -= shared
    return np.where(either == 0, 1.0, shared / np.maximum(either, 1))


def find_similar(text: str, others: Sequence[str], similarity: float) -> list[int]:
    """Which of the others have at least this Jaccard similarity with the text, all of them compared."""
    own = frozenset(shingles(text))
    return [row for row, other in enumerate(others) if _jaccard(own, frozenset(shingles(other))) >= similarity]


def _jaccard(a: frozenset[str], b: frozenset[str]) -> float:
    shared = len(a & b)
    return shared / (len(a) + len(b) - shared) if shared else float(a == b)


def earlier_by_row(pairs: Pairs) -> Iterator[tuple[int, list[int]]]:
    """Each row that has any, in order, and its earlier near-duplicates."""
    rows, starts = np.unique(pairs[:, 0], return_index=True)
    for row, start, end in zip(rows, starts, np.r_[starts, len(pairs)][1:], strict=True):
        yield int(row), pairs[start:end, 1].tolist()
