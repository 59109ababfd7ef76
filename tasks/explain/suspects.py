"""Labels that look like mistakes: confident learning (cleanlab) on what a baseline says of rows it has not seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from cleanlab.rank import get_label_quality_scores
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict

PENALTY = 10.0  # C; with 1, in 1,000 mails, fewer planted mistakes were found: 45 of 60 against 49


@dataclass(frozen=True)
class Suspect:
    """A row whose label the other rows speak against."""

    row: int
    label: str
    suggested: str
    quality: float
    """0: the label is hardly believed; 1: nothing speaks against it."""


def suspects(texts: Sequence[str], labels: Sequence[str], most: int, folds: int, seed: int) -> list[Suspect]:
    """The ``most`` least believed labels for which another is likelier, the least believed first.

    A label with fewer rows than ``folds`` cannot be judged, and its rows are not.
    """
    names, counts = np.unique(labels, return_counts=True)
    judged = np.flatnonzero(np.isin(labels, names[counts >= folds])).tolist()
    known, numbers = np.unique(np.array(labels)[judged], return_inverse=True)
    if len(known) < 2 or not most:
        return []
    believed = _believed([texts[i] for i in judged], numbers, folds, seed)
    quality = get_label_quality_scores(numbers, believed, method="normalized_margin")
    doubted = [i for i in np.argsort(quality, kind="stable") if believed[i].argmax() != numbers[i]]
    return [
        Suspect(judged[i], str(known[numbers[i]]), str(known[believed[i].argmax()]), round(float(quality[i]), 6))
        for i in doubted[:most]
    ]


def _believed(texts: Sequence[str], numbers: npt.NDArray[np.int64], folds: int, seed: int) -> npt.NDArray[np.float64]:
    """Probabilities [rows, labels], each row's from a model fitted without it; the words are counted once for all."""
    counts = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2).fit_transform(texts)
    model = LogisticRegression(C=PENALTY, max_iter=1000, random_state=seed)
    parts = StratifiedKFold(folds, shuffle=True, random_state=seed)
    believed: npt.NDArray[np.float64] = cross_val_predict(model, counts, numbers, cv=parts, method="predict_proba")
    return believed
