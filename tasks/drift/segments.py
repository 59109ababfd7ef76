"""The parts of the current window: which grew, which lost accuracy, and in what words.

A segment is a cluster of the pooled embeddings, or, without embeddings, the rows of one predicted class; and beside
those one value of a column of ``drift.slices``. A cluster is found on the rows that it describes: its figures say where
to look, and are no test. Not covered: a label that changed for the same input shows only where rows have labels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from scipy.sparse import csr_array

from tasks.drift.embeddings import nearest_centres, principal_axes
from tasks.drift.estimates import correct, labelled
from tasks.drift.examples import MAX_CHARACTERS, frequent_words, log_odds
from tasks.drift.losses import Losses, segment_losses
from tasks.drift.permutation import Bools, Floats, Integers
from tasks.drift.rows import Rows
from tasks.redaction import redact

MOST = 8  # segments: few enough to be read
WORDS = 3  # that name a segment
EXAMPLES = 2  # of its texts
SAMPLE = 4_000  # rows of each side, seeded, whose words name the segments
MIN_LABELLED = 30  # rows with a label in a segment, for its accuracy
PARTS = 4  # equally many rows in each part of a number's range
OTHERS = "other values"
NONE = "(none)"


@dataclass(frozen=True)
class Segments:
    """A way to divide the rows: which segment each is in, the reference's rows first, and how the segments are called.

    Every row is in one.
    """

    of_row: Integers
    names: tuple[str, ...]
    words: tuple[tuple[str, ...], ...]
    """That set each one's current texts apart from the window's other texts."""
    column: str | None = None
    """Whose values they are; None: clusters, or predicted classes."""
    first: int = 0
    """The number of the first one: numbers go on from one way to divide the rows to the next."""

    def of_current(self, reference: int) -> Integers:
        """The segment of each current row, after so many reference rows."""
        return self.of_row[reference:]


def segments(reference: Rows, current: Rows, seed: int) -> tuple[Segments, ...]:
    """Every way to divide the rows of both sides: by clusters or predicted classes, then by each column of slices."""
    if not (reference.count and current.count):
        return ()
    found = [one for one in (_clusters(reference, current, seed),) if one]
    for column in reference.slices:
        found.append(_sliced(reference, current, column, sum(len(one.names) for one in found)))
    return tuple(found)


def _clusters(reference: Rows, current: Rows, seed: int) -> Segments | None:
    """None where the rows have neither embeddings nor predictions."""
    rng = np.random.default_rng([seed, 7])
    if reference.embeddings is not None and current.embeddings is not None:
        axes = principal_axes(reference.embeddings, current.embeddings, rng)
        if axes.shape[1]:
            of_row, count = nearest_centres(axes, rng, MOST)
            words = tuple(_words(current, of_row[reference.count :], count, rng))
            names = tuple(", ".join(each) if each else f"cluster {i + 1}" for i, each in enumerate(words))
            return Segments(of_row, names, words)
    if not all("prediction" in side.categories for side in (reference, current)):
        return None
    both = np.concatenate([side.categories["prediction"] for side in (reference, current)])
    of_row, classes = pd.factorize(both, sort=True)
    words = tuple(_words(current, of_row[reference.count :], len(classes), rng))
    return Segments(of_row, tuple(f"answered {name}" for name in classes), words)


def _sliced(reference: Rows, current: Rows, column: str, first: int) -> Segments:
    """The values of a column that most current rows have; of numbers the parts of their range."""
    before, now = reference.slices[column], current.slices[column]
    if before.dtype.kind == now.dtype.kind == "f":
        before, now = np.split(_parts(np.concatenate([before, now]).astype(np.float64)), [reference.count])
    elif before.dtype != now.dtype:
        before, now = (values.astype(str).astype(object) for values in (before, now))
    codes, names = pd.factorize(np.concatenate([before, now]), sort=True)
    counts = np.bincount(codes[reference.count :], minlength=len(names))
    most = np.sort(np.argsort(-counts, kind="stable")[: min(MOST, np.count_nonzero(counts))])
    place = np.full(len(names), len(most))
    place[most] = np.arange(len(most))
    called = tuple(f"{column}: {name}" for name in (*names[most], OTHERS))
    return Segments(place[codes], called, ((),) * len(called), column, first)


def _parts(values: Floats) -> NDArray[np.object_]:
    """The part of the range that each value lies in [n], by name; few different ones stay as they are."""
    known = np.unique(values[~np.isnan(values)])
    cuts = known
    if len(known) > PARTS:
        known = values[~np.isnan(values)]
        cuts = np.unique(np.quantile(known, np.arange(1, PARTS) / PARTS, method="lower"))
        names = [f"up to {cuts[0]:,g}", *(f"over {a:,g} to {b:,g}" for a, b in pairwise(cuts)), f"over {cuts[-1]:,g}"]
    else:
        names = [*(f"{cut:,g}" for cut in cuts), NONE]
    place = np.where(np.isnan(values), -1, np.searchsorted(cuts, values, "left"))
    return np.array([*names, NONE], dtype=object)[place]


def _words(current: Rows, of_row: Integers, count: int, rng: np.random.Generator) -> Iterator[tuple[str, ...]]:
    """The words of each segment, most telling first; none where its rows are no texts, or few."""
    chosen = np.sort(rng.choice(current.count, min(current.count, SAMPLE), replace=False))
    texts = current.read_for_words
    counted = None if texts is None else frequent_words([texts.take(pa.array(chosen))])
    for one in range(count):
        inside = of_row[chosen] == one
        yield () if counted is None or not inside.any() or inside.all() else _telling(*counted, inside)


def _telling(names: Sequence[str], held: csr_array, inside: Bools) -> tuple[str, ...]:
    """Words by how many more of the segment's texts hold them, of those with better odds in it."""
    odds = log_odds(csr_array(held[~inside]), csr_array(held[inside]))
    share = np.asarray(held[inside].mean(axis=0)).ravel()
    best = np.argsort(-np.maximum(odds, 0) * share, kind="stable")[:WORDS]
    return tuple(names[i] for i in best if odds[i] > 0)


def described(found: Sequence[Segments], reference: Rows, current: Rows, seed: int) -> list[dict[str, Any]]:
    """What ``metrics/drift.json`` says of every segment with current rows, the one that grew most first.

    ``estimated_loss`` is the segment's part in the window's loss of accuracy, as CBPE predicts it: over the segments of
    each way to divide the rows they add up to the reference's accuracy less the estimated one, but for those without
    current rows. None without labels of the reference.
    """
    lines = [line for i, one in enumerate(found) for line in _described(one, reference, current, (seed, 9, i))]
    return sorted(lines, key=lambda line: (line["reference_share"] - line["share"], line["segment"]))


def _described(found: Segments, reference: Rows, current: Rows, seed: tuple[int, int, int]) -> Iterator[dict[str, Any]]:
    """A line for each segment of one way to divide the rows."""
    sides = found.of_row[: reference.count], found.of_current(reference.count)
    before, now = (np.bincount(side, minlength=len(found.names)) for side in sides)
    losses = segment_losses(reference, current, found.of_row, len(found.names), seed)
    for one in np.flatnonzero(now).tolist():
        yield {
            "segment": found.first + one,
            "name": found.names[one],
            "slice": found.column,
            "words": list(found.words[one]),
            "rows": int(now[one]),
            "share": _round(now[one] / current.count),
            "reference_share": _round(before[one] / reference.count),
            **_estimated(losses, one),
            "measured_accuracy": _measured(sides[1] == one, current),
        }


def _estimated(found: Losses | None, one: int) -> dict[str, Any]:
    if found is None:
        return {"estimated_accuracy": None, "estimated_loss": None, "estimated_loss_interval": None}
    return {
        "estimated_accuracy": _round(found.accuracy[one]),
        "estimated_loss": _round(found.loss[one]),
        "estimated_loss_interval": [_round(found.low[one]), _round(found.high[one])],
    }


def _measured(inside: Bools, current: Rows) -> float | None:
    known = labelled(current) & inside
    return _round(correct(current)[known].mean()) if known.sum() >= MIN_LABELLED else None


def example_texts(found: Sequence[Segments], current: Rows, reference: int, one: int, seed: int) -> list[str]:
    """Texts of a segment's current rows, redacted, drawn by the seed: what is in it, not what is odd in it."""
    way = next((each for each in found if each.first <= one < each.first + len(each.names)), None)
    if current.text is None or way is None:
        return []
    inside = np.flatnonzero(way.of_current(reference) == one - way.first)
    rng = np.random.default_rng([seed, 8, one])
    drawn = rng.choice(inside, min(EXAMPLES, len(inside)), replace=False)
    texts = [redact(" ".join(str(current.text[int(i)]).split())) for i in drawn]
    return [text[:MAX_CHARACTERS] + ("…" if len(text) > MAX_CHARACTERS else "") for text in texts]


def _round(value: float) -> float:
    return round(float(value), 4)
