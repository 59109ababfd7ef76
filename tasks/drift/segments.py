"""The parts of the current window: which grew, which lost accuracy, and in what words.

A segment is a cluster of the pooled embeddings, or, without embeddings, the rows of one predicted class. It is found on
the rows that it describes: its figures say where to look, and are no test. Not covered: a label that changed for the
same input shows only where rows have labels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from tasks.drift.embeddings import nearest_centres, principal_axes
from tasks.drift.estimates import calibrated_chances, correct, labelled
from tasks.drift.examples import MAX_CHARACTERS, frequent_words, log_odds
from tasks.drift.permutation import Bools, Floats, Integers
from tasks.drift.rows import Rows
from tasks.redaction import redact

MOST = 8  # segments: few enough to be read
WORDS = 3  # that name a segment
EXAMPLES = 2  # of its texts
SAMPLE = 4_000  # rows of each side, seeded, whose words name the segments
MIN_LABELLED = 30  # rows with a label in a segment, for its accuracy


@dataclass(frozen=True)
class Segments:
    """Which segment each row is in, the reference's rows first, and how the segments are called."""

    of_row: Integers
    names: tuple[str, ...]
    words: tuple[tuple[str, ...], ...]
    """That set each one's current texts apart from the window's other texts."""

    def of_current(self, reference: int) -> Integers:
        """The segment of each current row, after so many reference rows."""
        return self.of_row[reference:]


def segments(reference: Rows, current: Rows, seed: int) -> Segments | None:
    """The segments of both sides; None where the rows have neither embeddings nor predictions."""
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
    both = np.concatenate([side.categories["prediction"] for side in (reference, current)]).astype(str)
    classes, of_row = np.unique(both, return_inverse=True)
    words = tuple(_words(current, of_row[reference.count :], len(classes), rng))
    return Segments(of_row, tuple(f"answered {name}" for name in classes), words)


def _words(current: Rows, of_row: Integers, count: int, rng: np.random.Generator) -> Iterator[tuple[str, ...]]:
    """The words of each segment, most telling first; none where its rows are no texts, or few."""
    chosen = np.sort(rng.choice(current.count, min(current.count, SAMPLE), replace=False))
    counted = frequent_words([current.take(chosen)]) if current.text is not None else None
    for one in range(count):
        inside = of_row[chosen] == one
        yield () if counted is None or not inside.any() or inside.all() else _telling(*counted, inside)


def _telling(names: Sequence[str], held: csr_array, inside: Bools) -> tuple[str, ...]:
    """Words by how many more of the segment's texts hold them, of those with better odds in it."""
    odds = log_odds(csr_array(held[~inside]), csr_array(held[inside]))
    share = np.asarray(held[inside].mean(axis=0)).ravel()
    best = np.argsort(-np.maximum(odds, 0) * share, kind="stable")[:WORDS]
    return tuple(names[i] for i in best if odds[i] > 0)


def described(found: Segments, reference: Rows, current: Rows) -> list[dict[str, Any]]:
    """What ``metrics/drift.json`` says of every segment with current rows, the one that grew most first.

    ``estimated_loss`` is the segment's part in the window's loss of accuracy, as CBPE predicts it: over all segments
    they add up to the reference's accuracy less the estimated one. None without labels of the reference.
    """
    sides = found.of_row[: reference.count], found.of_current(reference.count)
    before, now = (np.bincount(side, minlength=len(found.names)) for side in sides)
    chances = _chances(reference, current)
    lines = [
        {
            "segment": one,
            "name": found.names[one],
            "words": list(found.words[one]),
            "rows": int(now[one]),
            "share": _round(now[one] / current.count),
            "reference_share": _round(before[one] / reference.count),
            **_accuracy(sides[1] == one, current, chances),
            "estimated_loss": _loss(one, sides, reference, chances),
        }
        for one in range(len(found.names))
        if now[one]
    ]
    return sorted(lines, key=lambda line: (line["reference_share"] - line["share"], line["segment"]))


def _chances(reference: Rows, current: Rows) -> Floats | None:
    """How often a prediction of each current row's confidence is right, by the reference's labels [current]."""
    needed = all("confidence" in side.numbers and "prediction" in side.categories for side in (reference, current))
    if not needed or not labelled(reference).any():
        return None
    none = np.full(current.count, None, dtype=object)
    both = Rows(
        reference.count + current.count,
        numbers={"confidence": np.concatenate([s.numbers["confidence"] for s in (reference, current)])},
        categories={
            "prediction": np.concatenate([s.categories["prediction"] for s in (reference, current)]),
            "label": np.concatenate([reference.categories["label"], none]),
        },
    )
    found = calibrated_chances(both)
    return None if found is None else found[reference.count :]


def _accuracy(inside: Bools, current: Rows, chances: Floats | None) -> dict[str, Any]:
    known = labelled(current) & inside
    measured = correct(current)[known].mean() if known.sum() >= MIN_LABELLED else None
    return {
        "estimated_accuracy": None if chances is None else _round(chances[inside].mean()),
        "measured_accuracy": None if measured is None else _round(measured),
    }


def _loss(one: int, sides: tuple[Integers, Integers], reference: Rows, chances: Floats | None) -> float | None:
    """The shortfall of the segment's rows from the reference's accuracy, now less then, as a share of all rows."""
    if chances is None:
        return None
    known = labelled(reference)
    right = correct(reference)[known]
    then = (right.mean() - right)[sides[0][known] == one].sum() / known.sum()
    now = (right.mean() - chances)[sides[1] == one].sum() / len(chances)
    return _round(now - then)


def example_texts(found: Segments, current: Rows, reference: int, one: int, seed: int) -> list[str]:
    """Texts of a segment's current rows, redacted, drawn by the seed: what is in it, not what is odd in it."""
    if current.text is None:
        return []
    inside = np.flatnonzero(found.of_current(reference) == one)
    rng = np.random.default_rng([seed, 8, one])
    drawn = rng.choice(inside, min(EXAMPLES, len(inside)), replace=False)
    texts = [redact(" ".join(str(current.text[int(i)]).split())) for i in drawn]
    return [text[:MAX_CHARACTERS] + ("…" if len(text) > MAX_CHARACTERS else "") for text in texts]


def _round(value: float) -> float:
    return round(float(value), 4)
