"""What a transformer must be worth its cost against: a logistic regression.

Of texts on TF-IDF of words and word pairs, of images on their pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from tasks.core.rows import Modality
from tasks.images import decoded, grey
from tasks.statistics.measures import Floats

SIDE = 28  # pixels of the grey squares that a logistic regression is given


def _pixels(images: Sequence[bytes]) -> Floats:
    """Grey levels from 0 to 1 of the images scaled to a small square, [images, SIDE * SIDE]."""
    small = [grey(decoded(image).resize((SIDE, SIDE))) for image in images]
    return np.stack(small).reshape(len(images), -1) / 255.0


FEATURES: dict[Modality, Callable[[], Any]] = {
    "text": lambda: TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True),
    "image": lambda: FunctionTransformer(_pixels),
}


def baseline_probabilities(
    rows: Sequence[str] | Sequence[bytes],
    given: Sequence[str],
    test: Sequence[str] | Sequence[bytes],
    labels: Sequence[str],
    seed: int,
    kind: Modality = "text",
) -> Floats:
    """Probabilities of ``labels`` [rows, labels] for the test rows, whole texts or images on both sides.

    A label that no training row is ``given`` gets 0.
    """
    model = make_pipeline(FEATURES[kind](), LogisticRegression(max_iter=1000, random_state=seed))
    model.fit(rows, given)
    found = np.zeros((len(test), len(labels)))
    found[:, [list(labels).index(label) for label in model.classes_]] = model.predict_proba(test)
    return found
