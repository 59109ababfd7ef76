"""Where a row lies among the embeddings: along their principal axes, and near which of their centres."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans2

from tasks.drift.permutation import Floats, Integers

AXES = 32  # the plane that centres are sought in; its axes keep their lengths, so that the long ones count
CENTRES = 64
ROWS_PER_CENTRE = 10  # fewer centres where rows are few
LEARNT_FROM = 10_000  # rows, a seeded sample: the axes hardly change beyond it
CENTRES_FROM = 4_000  # rows, likewise
CHUNK = 50_000


def principal_axes(reference: NDArray[np.float32], current: NDArray[np.float32], rng: np.random.Generator) -> Floats:
    """Pooled rows [n, width] projected on their principal axes [n, ≤ AXES], the longest first."""
    sample = _sample(reference, current, rng).astype(np.float64)
    mean = sample.mean(axis=0)
    values, vectors = np.linalg.eigh((sample - mean).T @ (sample - mean) / len(sample))
    kept = np.argsort(-values)[:AXES]
    kept = kept[values[kept] > 1e-9 * max(values[-1], 1e-300)]
    chunks = [side[start : start + CHUNK] for side in (reference, current) for start in range(0, len(side), CHUNK)]
    return np.vstack([(chunk - mean) @ vectors[:, kept] for chunk in chunks])


def _sample(
    reference: NDArray[np.float32], current: NDArray[np.float32], rng: np.random.Generator
) -> NDArray[np.float32]:
    """At most LEARNT_FROM of the pooled rows, each as likely as the other."""
    count = len(reference) + len(current)
    chosen = np.sort(rng.choice(count, min(count, LEARNT_FROM), replace=False))
    split = np.searchsorted(chosen, len(reference))
    return np.concatenate([reference[chosen[:split]], current[chosen[split:] - len(reference)]])


def nearest_centres(scores: Floats, rng: np.random.Generator) -> tuple[Integers, int]:
    """Which of k centres each row [n] is nearest to, and k; the centres are k-means' over a sample of the rows."""
    sample = scores[rng.choice(len(scores), min(len(scores), CENTRES_FROM), replace=False)]
    distinct = len(np.unique(sample.astype(np.float32), axis=0))
    count = max(1, min(CENTRES, len(scores) // ROWS_PER_CENTRE, distinct))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "One of the clusters is empty")  # it then attracts no row: harmless
        centres, _ = kmeans2(sample, count, minit="++", rng=rng)
    chunks = [_nearest(scores[start : start + CHUNK], centres) for start in range(0, len(scores), CHUNK)]
    return np.concatenate(chunks), count


def _nearest(scores: Floats, centres: Floats) -> Integers:
    distances = (centres**2).sum(axis=1) - 2 * scores @ centres.T  # but for the row's own length, the same for all
    nearest: Integers = np.argmin(distances, axis=1)
    return nearest
