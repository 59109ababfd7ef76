"""What a transformer must be worth its cost against: TF-IDF of words and word pairs, logistic regression."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from tasks.measures import Floats


def baseline_probabilities(
    texts: Sequence[str], given: Sequence[str], test_texts: Sequence[str], labels: Sequence[str], seed: int
) -> Floats:
    """Probabilities of ``labels`` [rows, labels] for the test texts, whole texts on both sides.

    A label that no training row is ``given`` gets 0.
    """
    model = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), LogisticRegression(max_iter=1000, random_state=seed)
    )
    model.fit(texts, given)
    found = np.zeros((len(test_texts), len(labels)))
    found[:, [list(labels).index(label) for label in model.classes_]] = model.predict_proba(test_texts)
    return found
