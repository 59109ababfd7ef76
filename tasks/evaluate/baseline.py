"""What a transformer must be worth its cost against: TF-IDF of words and word pairs, logistic regression."""

from __future__ import annotations

from collections.abc import Sequence

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline


def baseline_predictions(
    texts: Sequence[str], labels: Sequence[str], test_texts: Sequence[str], seed: int
) -> list[str]:
    """Labels the baseline gives the test texts, whole texts on both sides."""
    model = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), LogisticRegression(max_iter=1000, random_state=seed)
    )
    model.fit(texts, labels)
    return [str(label) for label in model.predict(test_texts)]
