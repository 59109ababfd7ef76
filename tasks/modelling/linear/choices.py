"""What is tried when a linear classifier is fitted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Literal

from pydantic import Field

from tasks.core.params import Section

FAMILY = "linear"  # of params.yaml's model, and model_type in the config of what is fitted
Features = Literal["words", "words_and_characters"]
Estimator = Literal["logistic_regression", "svm"]
FEATURES: tuple[Features, ...] = ("words", "words_and_characters")
PENALTIES: Mapping[Estimator, tuple[float, ...]] = {"logistic_regression": (10.0, 100.0, 1000.0), "svm": (0.1, 1.0)}
"""The values of scikit-learn's C that are tried."""


class Choices(Section):
    """What is tried, by a linear model and by the baseline."""

    features: Features | None = None
    """TF-IDF of words and pairs of words, or also of 3 and 4 characters within words; null: what validation prefers."""
    estimator: Estimator | None = None
    """Logistic regression, or a linear support vector machine; null: what validation prefers."""
    penalty: float | None = Field(default=None, gt=0)
    """scikit-learn's C, the inverse of the penalty; null: what validation prefers of a few."""
    max_features: int = Field(default=100_000, ge=1)
    """Terms of words, and as many of characters: the most frequent ones."""
    max_rows: int = Field(default=100_000, ge=10)
    """Training rows; of more, a sample drawn by the seed."""
    max_characters: int = Field(default=20_000_000, ge=0)
    """Characters of training texts up to which n-grams of characters are tried where ``features`` is null."""

    def tried_features(self, characters: int) -> tuple[Features, ...]:
        """Which features are tried on training texts of so many characters."""
        if self.features:
            return (self.features,)
        return FEATURES if characters <= self.max_characters else FEATURES[:1]

    def tried_estimators(self) -> Iterator[tuple[Estimator, float]]:
        """Which estimators are tried, each with its values of C."""
        for name in [self.estimator] if self.estimator else list(PENALTIES):
            yield from product([name], [self.penalty] if self.penalty else PENALTIES[name])


class Settings(Choices):
    """The keys of ``model.config`` for ``model.family: linear``."""

    axes: int = Field(default=64, ge=0)
    """Principal axes of the training rows, for embeddings."""
