"""From two sides' rows to the indicators that the permutation test compares.

Quantiles, frequent words, axes and centres are fitted on both sides pooled, whichever side a row is of: that keeps the
test exact.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy.sparse import csr_array, vstack

from tasks.core.errors import UserError
from tasks.core.tables import batches
from tasks.dataset.labels import LabelFormat
from tasks.drift import SmallestEffects
from tasks.drift.descriptors import HASHES, word_of
from tasks.drift.embeddings import nearest_centres, principal_axes
from tasks.drift.permutation import Bools, Floats, Indicators, Integers, Population, Signal
from tasks.drift.rows import MODE, Rows

QUANTILES = (0.005, 0.01, 0.02, 0.05, *np.arange(0.1, 0.91, 0.1), 0.95, 0.98, 0.99, 0.995)  # the tails count as much
MAX_WORDS = 1000  # the most frequent ones
AXES = 16  # of the embeddings, compared one by one
TEXTS_PER_WORD = 50  # read to find which word a hash stands for


def populations(reference: Rows, current: Rows, smallest: SmallestEffects, seed: int) -> list[Population]:
    """Everything both sides have, as signals; labels stand alone where some rows have none."""
    side = np.repeat([False, True], [reference.count, current.count])
    groups = _groups(reference, current)
    signals = [
        *_input_signals(reference, current, smallest),
        *_embedding_signals(reference, current, smallest, np.random.default_rng([seed, 1])),
        *_prediction_signals(reference, current, smallest),
    ]
    labels, labelled = _label_signals(reference, current, smallest)
    if labels and labelled.all():
        return [Population(side, (*signals, *labels), groups)]
    found = [Population(side, tuple(signals), groups)] if signals else []
    if labels:
        found.append(Population(side[labelled], labels, None if groups is None else groups[labelled]))
    return found


def quantity(name: str, values: Floats) -> Indicators:
    """Whether it is at most x, for the quantiles x of the pooled values [rows]."""
    edges = np.unique(np.quantile(values, QUANTILES, method="inverted_cdf"))
    bins = np.searchsorted(edges, values)
    return Indicators(
        one_hot(bins, len(edges) + 1), lambda i: f"{name} ≤ {edges[i]:.4g}" if i < len(edges) else name, True
    )


def category(name: str, values: NDArray[np.object_]) -> Indicators:
    """Whether it is this one, for each of the distinct values [rows]."""
    codes, names = pd.factorize(values, sort=True)
    return Indicators(one_hot(codes, len(names)), lambda i: f"{name} = {names[i]}")


def answers(name: str, values: NDArray[np.object_], cells: LabelFormat) -> Indicators:
    """Whether it is this label, or of several whether it is among them, for each of the labels."""
    if not cells.several:
        return category(name, values)
    codes, sets = pd.factorize(values)
    labels = sorted(cells.count(sets.tolist()))
    held = cells.holds(sets.tolist(), labels)
    held = np.column_stack([held, ~held.any(axis=1)]).astype(np.uint8)
    names = [*(f"{name} holds {label}" for label in labels), f"no {name}"]
    return Indicators(csr_array(held)[codes], names.__getitem__)


def one_hot(codes: Integers, width: int) -> csr_array:
    """[rows, width], one at each row's code."""
    rows = len(codes)
    starts = np.arange(rows + 1, dtype=np.int32)
    return csr_array((np.ones(rows, dtype=np.uint8), codes.astype(np.int32), starts), shape=(rows, width))


def _groups(reference: Rows, current: Rows) -> Integers | None:
    if reference.groups is None or current.groups is None:
        return None
    return group_codes(np.concatenate([reference.groups, current.groups]))


def group_codes(groups: NDArray[np.object_]) -> Integers:
    """A number for each row's group [rows]; rows without a group have one each."""
    codes, names = pd.factorize(groups, sort=True)
    return np.where(codes < 0, len(names) + np.arange(len(groups)), codes)


def _input_signals(reference: Rows, current: Rows, smallest: SmallestEffects) -> list[Signal]:
    """Of the inputs: a text's composition and words, an image's properties."""
    kind, effect = reference.modality, getattr(smallest, reference.modality)
    names = [name for name in reference.numbers if name in current.numbers and name != "confidence"]
    signals = [
        Signal(f"{kind}: {name}", (quantity(name, _both(reference.numbers, current.numbers, name)),), effect)
        for name in names
    ]
    if MODE in reference.categories and MODE in current.categories:
        modes = _both(reference.categories, current.categories, MODE)
        signals.append(Signal("image: mode", (category("mode", modes),), effect))
    if reference.terms is None or current.terms is None:
        return signals
    words = frequent_words((reference.terms, current.terms), (reference.read_for_words, current.read_for_words))
    return [*signals, Signal("vocabulary", (words,), smallest.vocabulary)] if words.values.shape[1] else signals


def frequent_words(terms: Sequence[pa.ChunkedArray], texts: Sequence[pa.ChunkedArray]) -> Indicators:
    """Whether the text holds a word, for the words that most of the pooled texts hold; both sides' terms and texts."""
    both, pooled = (pa.chunked_array([part for side in sides for part in side.chunks]) for sides in (terms, texts))
    held = np.zeros(HASHES, dtype=np.int64)
    for batch in batches(both):
        held += np.bincount(pc.list_flatten(batch), minlength=HASHES)
    columns = np.sort(np.argsort(-held, kind="stable")[:MAX_WORDS])
    columns = columns[held[columns] > 0]
    values = vstack([_holds(batch, columns) for batch in batches(both)], format="csr")

    def name(i: int) -> str:
        some = values[:, [i]].nonzero()[0][:TEXTS_PER_WORD]
        return f"the word “{word_of(int(columns[i]), pooled.take(pa.array(some)))}”"

    return Indicators(values, name)


def _holds(terms: pa.ChunkedArray, columns: Integers) -> csr_array:
    """[rows, columns], one where the row has that term."""
    place = np.full(HASHES, -1)
    place[columns] = np.arange(len(columns))
    row = np.repeat(np.arange(len(terms)), pc.list_value_length(terms))
    found = place[pc.list_flatten(terms)]
    known = found >= 0
    ones = np.ones(known.sum(), dtype=np.uint8)
    return csr_array((ones, (row[known], found[known])), shape=(len(terms), len(columns)))


def _embedding_signals(
    reference: Rows, current: Rows, smallest: SmallestEffects, rng: np.random.Generator
) -> list[Signal]:
    if reference.embeddings is None or current.embeddings is None:
        return []
    if reference.embeddings.shape[1] != current.embeddings.shape[1]:
        widths = f"{reference.embeddings.shape[1]} and {current.embeddings.shape[1]}"
        raise UserError(f"the embeddings of reference and current are {widths} wide: score both with one model")
    scores = principal_axes(reference.embeddings, current.embeddings, rng)
    if scores.shape[1] == 0:  # all alike
        return []
    along = tuple(quantity(f"axis {i + 1}", scores[:, i]) for i in range(min(scores.shape[1], AXES)))
    nearest, centres = nearest_centres(scores, rng)
    near = Indicators(one_hot(nearest, centres), lambda i: f"nearest to centre {i + 1}", alone=True)
    return [
        Signal("embeddings: axes", along, smallest.embeddings),
        Signal("embeddings: centres", (near,), smallest.embeddings),
    ]


def _prediction_signals(reference: Rows, current: Rows, smallest: SmallestEffects) -> list[Signal]:
    signals = []
    if "prediction" in reference.categories and "prediction" in current.categories:
        values = _both(reference.categories, current.categories, "prediction")
        signals.append(Signal("predictions", (answers("prediction", values, reference.cells),), smallest.predictions))
    if "confidence" in reference.numbers and "confidence" in current.numbers:
        confidence = _both(reference.numbers, current.numbers, "confidence")
        signals.append(Signal("confidence", (quantity("confidence", confidence),), smallest.confidence))
    return signals


def _label_signals(reference: Rows, current: Rows, smallest: SmallestEffects) -> tuple[tuple[Signal, ...], Bools]:
    """Of the labels, over the rows that have one, and which rows those are [rows]."""
    if "label" not in reference.categories or "label" not in current.categories:
        return (), np.zeros(0, dtype=bool)
    values = _both(reference.categories, current.categories, "label")
    labelled: Bools = pd.notna(values)
    if not (labelled[: reference.count].any() and labelled[reference.count :].any()):
        return (), labelled
    labels = Signal("labels", (answers("label", values[labelled], reference.cells),), smallest.labels)
    if "prediction" not in reference.categories or "prediction" not in current.categories:
        return (labels,), labelled
    correct = (_both(reference.categories, current.categories, "prediction") == values)[labelled]
    correctness = Indicators(one_hot(np.where(correct, 0, 1), 2)[:, [0]], ["prediction = label"].__getitem__)
    return (labels, Signal("accuracy", (correctness,), smallest.accuracy)), labelled


def _both(reference: Mapping[str, NDArray[Any]], current: Mapping[str, NDArray[Any]], name: str) -> NDArray[Any]:
    return np.concatenate([reference[name], current[name]])
