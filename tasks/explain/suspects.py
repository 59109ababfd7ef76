"""Suspected label errors: confident learning (cleanlab) on a baseline's cross-validated predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from cleanlab.rank import get_label_quality_scores
from scipy.sparse import hstack
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from tasks.core.rows import Text, apart
from tasks.dataset.labels import MULTI

PENALTY = 10.0  # C; with 1, in 1,000 mails, fewer planted mistakes were found: 45 of 60 against 49


@dataclass(frozen=True)
class Suspect:
    """A row whose label looks wrong."""

    row: int
    label: str
    suggested: str
    quality: float
    """cleanlab's label quality: 0 certainly wrong, 1 certainly right."""


def suspects(texts: Sequence[Text], labels: Sequence[str], limit: int, folds: int, seed: int) -> list[Suspect]:
    """At most ``limit`` rows whose predicted label differs from theirs, lowest label quality first.

    Labels with fewer rows than ``folds`` are left out.
    """
    names, counts = np.unique(labels, return_counts=True)
    included = np.flatnonzero(np.isin(labels, names[counts >= folds])).tolist()
    known, numbers = np.unique(np.array(labels)[included], return_inverse=True)
    if len(known) < 2 or not limit:
        return []
    predicted = _predicted([texts[i] for i in included], numbers, folds, seed)
    quality = get_label_quality_scores(numbers, predicted, method="normalized_margin")
    differing = [i for i in np.argsort(quality, kind="stable") if predicted[i].argmax() != numbers[i]]
    return [
        Suspect(included[i], str(known[numbers[i]]), str(known[predicted[i].argmax()]), round(float(quality[i]), 6))
        for i in differing[:limit]
    ]


def suspects_of_several(
    texts: Sequence[Text], cells: Sequence[str], limit: int, folds: int, seed: int
) -> list[Suspect]:
    """The same where a row may have several labels: each label against the rest, and of a row the most doubtful one;
    suggested is the set with it, or without it."""
    worst: dict[int, Suspect] = {}
    for label in sorted(MULTI.count(cells)):
        there = ["yes" if label in MULTI.labels(cell) else "no" for cell in cells]
        for one in suspects(texts, there, len(texts) if limit else 0, folds, seed):
            cell = cells[one.row]
            if one.row not in worst or one.quality < worst[one.row].quality:
                suggested = MULTI.cell({*MULTI.labels(cell)} ^ {label})
                worst[one.row] = Suspect(one.row, cell, suggested, one.quality)
    return sorted(worst.values(), key=lambda one: (one.quality, one.row))[:limit]


def _predicted(texts: Sequence[Text], numbers: npt.NDArray[np.int64], folds: int, seed: int) -> npt.NDArray[np.float64]:
    """Cross-validated probabilities [rows, labels]; the vocabulary, of each text of a pair its own, is fitted once on
    all rows."""
    vectorizer, found = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2), []
    for column in (columns := apart(texts)):
        try:
            found.append(vectorizer.fit_transform(column))
        except ValueError:  # no word is in two rows
            if not columns[1:]:
                raise
    counts = hstack(found, format="csr") if columns[1:] else found[0]
    model = LogisticRegression(C=PENALTY, max_iter=1000, random_state=seed)
    parts = StratifiedKFold(folds, shuffle=True, random_state=seed)
    predicted: npt.NDArray[np.float64] = cross_val_predict(model, counts, numbers, cv=parts, method="predict_proba")
    return predicted
