"""A linear classifier of texts: n-grams, estimator and penalty chosen on validation rows, and calibrated on them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array, hstack
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC
from threadpoolctl import threadpool_limits

from tasks.core.rows import Text, apart
from tasks.modelling.linear import tfidf
from tasks.modelling.linear.choices import Choices, Estimator, Features
from tasks.modelling.linear.ngrams import Reader
from tasks.modelling.targets.single_label import SINGLE_LABEL
from tasks.modelling.targets.target import Array, Calibration, Floats, Target

Tried = dict[str, Any]
DIGITS = 6


@dataclass(frozen=True)
class Linear:
    """A linear classifier: logits are its weights times the TF-IDF of a text, plus its biases."""

    labels: list[str]
    terms: list[str]
    """The words first, each block in alphabetical order."""
    sizes: tuple[int, ...]
    """Terms of words and of characters; of pairs, those of the second text after them."""
    idf: Floats
    """[terms]"""
    weights: Floats
    """[labels, terms], the calibration within."""
    biases: Floats
    """[labels], the calibration within."""
    axes: Floats
    """[axes, terms]: the principal axes of the training rows, for embeddings."""
    calibration: Calibration
    chosen: Tried
    """Features, estimator and penalty."""
    tried: list[Tried]
    """The candidates with what they reached on validation."""
    target: Target = SINGLE_LABEL

    @property
    def word_ngrams(self) -> int:
        """Words of a term, at most."""
        return tfidf.WORD_NGRAMS

    @property
    def char_ngrams(self) -> tuple[int, int] | None:
        """Characters of a term, from and to."""
        return tfidf.CHAR_NGRAMS if any(self.sizes[1::2]) else None

    def logits(self, texts: Sequence[Text]) -> Floats:
        """Calibrated logits [rows, labels]."""
        reader = Reader(dict(zip(self.terms, range(len(self.terms)), strict=True)), self.word_ngrams, self.char_ngrams)
        values = tfidf.weighted(tfidf.counted(texts, reader, len(self.terms)), self.idf, self.sizes)
        found: Floats = values @ self.weights.T + self.biases
        return found


@dataclass(frozen=True)
class Labelled:
    """Texts and their truth, as the target reads it."""

    texts: Sequence[Text]
    labels: Array

    def take(self, rows: npt.NDArray[np.int64]) -> Labelled:
        """Some of the rows."""
        return Labelled([self.texts[i] for i in rows], self.labels[rows])


@dataclass(frozen=True)
class _Data:
    """The features of the training and validation rows."""

    terms: list[str]
    sizes: tuple[int, ...]
    idf: Floats
    train: csr_array
    validation: csr_array

    def linear(
        self,
        labels: list[str],
        weights: Floats,
        biases: Floats,
        calibration: Calibration,
        chosen: Tried,
        target: Target,
    ) -> Linear:
        """The classifier of these features."""
        no_axes, divisor = np.empty((0, len(self.terms))), calibration.divisor
        weights = weights / (divisor[:, None] if isinstance(divisor, np.ndarray) else divisor)
        biases = calibration.apply(biases)
        return Linear(
            labels, self.terms, self.sizes, self.idf, weights, biases, no_axes, calibration, chosen, [], target
        )


def fit(
    train: Labelled,
    validation: Labelled,
    labels: Sequence[str],
    choices: Choices,
    seed: int,
    *,
    axes: int = 0,
    balanced: bool = False,
    target: Target = SINGLE_LABEL,
) -> Linear:
    """The candidate with the highest macro-F1 on ``validation``, the one with the lower log loss of several.

    ``axes``: principal axes that are kept. ``balanced``: labels weigh the same. UserError for a single label.
    """
    target.refuse_unlearnable(train.labels)
    if len(train.texts) > choices.max_rows:
        drawn = np.random.default_rng(seed).choice(len(train.texts), choices.max_rows, replace=False)
        train = train.take(np.sort(drawn))
    with threadpool_limits(1):  # else the last digits depend on how many cores there are
        tried: list[Tried] = []
        for found, values in _candidates(
            train, validation if len(validation.texts) else train, labels, choices, seed, balanced, target
        ):
            if not tried or _rank(found.chosen) > max(map(_rank, tried)):
                best, of_best = found, values
            tried.append(found.chosen)
        return replace(best, axes=_axes(of_best, axes, seed), tried=tried)


def _rank(chosen: Mapping[str, Any]) -> tuple[float, float]:
    return chosen["macro_f1"], -chosen["log_loss"]


def _candidates(
    train: Labelled,
    validation: Labelled,
    labels: Sequence[str],
    choices: Choices,
    seed: int,
    balanced: bool,
    target: Target,
) -> Iterator[tuple[Linear, csr_array]]:
    for features, data in _features(train, validation, choices):
        for estimator, penalty in choices.tried_estimators():
            make = partial(_estimator, estimator, penalty, seed, balanced)
            fitted = target.linear(make, data.train, train.labels, len(labels))
            weights, biases = _by_label(*fitted, len(labels), len(data.terms))
            logits = data.validation @ weights.T + biases
            calibration = target.calibrate(logits, validation.labels)
            chosen = {
                "features": features,
                "estimator": estimator,
                "penalty": penalty,
                "macro_f1": round(target.macro_f1(logits, validation.labels, calibration), DIGITS),
                "log_loss": round(target.loss(calibration.apply(logits), validation.labels), DIGITS),
            }
            yield data.linear(list(labels), weights, biases, calibration, chosen, target), data.train


def _features(train: Labelled, validation: Labelled, choices: Choices) -> Iterator[tuple[Features, _Data]]:
    columns = apart(train.texts)
    words = [tfidf.words(texts, choices.max_features) for texts in columns]
    for features in choices.tried_features(sum(len(text) for texts in columns for text in texts)):
        blocks: list[tfidf.Block] = []
        for texts, its in zip(columns, words, strict=True):
            also = features == "words_and_characters" or not its.terms
            characters = tfidf.characters(texts, choices.max_features) if also else tfidf.no_terms(len(texts))
            blocks += [block.of_second() if blocks[1:] else block for block in (its, characters)]
        terms = [term for block in blocks for term in block.terms]
        sizes = tuple(len(block.terms) for block in blocks)
        reader = Reader(
            dict(zip(terms, range(len(terms)), strict=True)),
            tfidf.WORD_NGRAMS,
            tfidf.CHAR_NGRAMS if any(sizes[1::2]) else None,
        )
        idf = np.concatenate([block.idf for block in blocks])
        counts = csr_array(hstack([block.counts for block in blocks], format="csr"))
        held_out = tfidf.counted(validation.texts, reader, len(terms))
        yield features, _Data(terms, sizes, idf, *(tfidf.weighted(part, idf, sizes) for part in (counts, held_out)))


def _estimator(name: Estimator, penalty: float, seed: int, balanced: bool) -> Any:
    weight = "balanced" if balanced else None
    if name == "svm":
        return LinearSVC(C=penalty, random_state=seed, class_weight=weight, max_iter=10_000)
    return LogisticRegression(C=penalty, max_iter=1000, random_state=seed, class_weight=weight)


def _by_label(
    weights: Floats, biases: Floats, fitted: npt.NDArray[np.int64], labels: int, terms: int
) -> tuple[Floats, Floats]:
    """Weights [labels, terms] and biases [labels] of all labels; one that was not fitted is never said."""
    whole, offsets = np.zeros((labels, terms)), np.full(labels, biases.min() - 1e3)
    whole[fitted], offsets[fitted] = weights, biases
    return whole, offsets


def _axes(values: csr_array, axes: int, seed: int) -> Floats:
    """Principal axes of the training rows, not centred (latent semantic analysis), [≤ axes, terms]."""
    from sklearn.decomposition import TruncatedSVD

    count = min(axes, *(side - 1 for side in values.shape))
    if count < 1:
        return np.empty((0, values.shape[1]))
    found: Floats = TruncatedSVD(count, random_state=seed).fit(values).components_
    return found
