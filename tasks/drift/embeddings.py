"""Where a row lies among the embeddings: along their principal axes, and nearest to which of their centres."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans2, vq

from tasks.core.tables import batches, give_back
from tasks.drift.permutation import Floats, Integers

AXES = 32  # that the centres are found in, not whitened, so that the long ones count more
CENTRES = 64
ROWS_PER_CENTRE = 10  # fewer centres where rows are few
AXES_SAMPLE = 10_000  # rows, a seeded sample: the axes hardly change beyond it
CENTRES_SAMPLE = 4_000  # rows, likewise
SCATTERED = 256  # rows read before their memory is given back: the system maps 64 KiB around each


def principal_axes(reference: NDArray[np.float32], current: NDArray[np.float32], rng: np.random.Generator) -> Floats:
    """Pooled rows [n, width] projected on their principal axes [n, ≤ AXES], the longest first."""
    from sklearn.decomposition import PCA

    sample = _sample(reference, current, rng).astype(np.float64)
    mean = sample.mean(axis=0)  # taken off first: this solver loses digits of a large mean
    with np.errstate(invalid="ignore"):  # rows that are all alike have no share of variance, which nobody reads
        fitted = PCA(min(AXES, *sample.shape), svd_solver="covariance_eigh").fit(sample - mean)
    lengths = fitted.explained_variance_
    kept = int((lengths > 1e-9 * max(lengths[0], 1e-300)).sum())
    scores, start = np.empty((len(reference) + len(current), kept)), 0
    for side in (reference, current):
        for batch in batches(side):
            scores[start : start + len(batch)] = fitted.transform(batch - mean)[:, :kept]
            start += len(batch)
    return scores


def _sample(
    reference: NDArray[np.float32], current: NDArray[np.float32], rng: np.random.Generator
) -> NDArray[np.float32]:
    """At most AXES_SAMPLE of the pooled rows, each as likely as the other."""
    count = len(reference) + len(current)
    chosen = np.sort(rng.choice(count, min(count, AXES_SAMPLE), replace=False))
    split = np.searchsorted(chosen, len(reference))
    return np.concatenate([rows_at(reference, chosen[:split]), rows_at(current, chosen[split:] - len(reference))])


def rows_at(values: NDArray[np.float32], places: Integers) -> NDArray[np.float32]:
    """The rows at these places of an array that may lie on disk."""
    found = np.empty((len(places), values.shape[1]), values.dtype)
    for start in range(0, len(places), SCATTERED):
        found[start : start + SCATTERED] = values[places[start : start + SCATTERED]]
        give_back()
    return found


def nearest_centres(scores: Floats, rng: np.random.Generator, most: int = CENTRES) -> tuple[Integers, int]:
    """Which of k ≤ most centres each row [n] is nearest to, and k; k-means' centres over a sample of the rows."""
    sample = scores[rng.choice(len(scores), min(len(scores), CENTRES_SAMPLE), replace=False)]
    distinct = len(np.unique(sample.astype(np.float32), axis=0))
    count = max(1, min(most, len(scores) // ROWS_PER_CENTRE, distinct))
    # The axes' last digits depend on BLAS; the nearest centres were the same with two of its kernels, 1 or 2 threads.
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "One of the clusters is empty")  # it then attracts no row: harmless
        centres, _ = kmeans2(sample, count, minit="++", rng=rng)
    nearest = np.concatenate([vq(batch, centres)[0] for batch in batches(scores)])
    return nearest.astype(np.int64), count
