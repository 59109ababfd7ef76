"""Exact attributions of a linear model: what each n-gram adds to the logits is its weight times its TF-IDF."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tasks.core.files import read_json
from tasks.core.rows import Text, texts_of
from tasks.explain.explained import Explained, Pieces, contrast, margin_of
from tasks.modelling.checkpoints import checkpoint
from tasks.modelling.linear.ngrams import Reader
from tasks.modelling.linear.scorer import Scorer


class LinearExplainer:
    """A linear classifier whose predictions are explained."""

    def __init__(self, folder: Path) -> None:
        self.scorer, self.labels = Scorer.load(folder), checkpoint.labels_of(folder)
        self.config = read_json(folder / "config.json")

    def explain(self, text: Text, other: str | None = None, label: str | None = None) -> Explained:
        """The prediction for a text, compared with another label: by default, and for one that the model does not
        know, the second most likely. Of a model that gives several, ``label``, by default the likeliest, against its
        absence. The addends of an n-gram are divided equally among its words, or its characters.

        They add up to the margin over that of a text without any known n-gram, which has the biases alone.
        """
        texts, scorer = texts_of(text), self.scorer
        numbers, values = scorer.reader.numbers_of(text), scorer.values([text])
        logits, tfidf = scorer.of_values(values)[0][0], values.toarray()[0]
        answer, beside = of = contrast(logits, self.config, self.labels, label, other)
        margin, without = (float(margin_of(one, of)) for one in (logits, scorer.biases))
        each = tfidf[numbers] / np.bincount(numbers, minlength=len(tfidf))[numbers]
        added = (each * (scorer.axes[numbers] @ margin_of(scorer.last.T, of))).tolist()
        by_character = _by_character(text, scorer.reader, added)
        error = abs(sum(map(sum, by_character)) - (margin - without)) / max(abs(margin - without), 1e-9)
        pieces, *second = map(_pieces, texts, by_character)
        return Explained(
            pieces,
            self.labels[answer],
            None if beside is None else self.labels[beside],
            round(margin, 6),
            round(without, 6),
            round(error, 6),
            1,
            error <= 1e-3,
            "".join(its[len(read) :].strip() for its, read in zip(texts, by_character, strict=True)),
            *second,
        )


def _by_character(text: Text, reader: Reader, added: list[float]) -> list[list[float]]:
    """What each character that is read of each text adds; ``added``: what each n-gram does, in the reader's order."""
    values = [[0.0] * min(len(its), reader.limit) for its in texts_of(text)]
    for (side, _, spans), value in zip(reader.places_of(text), added, strict=True):
        for begin, end in spans:
            for i in range(begin, end):
                values[side][i] += value / len(spans) / (end - begin)
    return values


def _pieces(text: str, values: list[float]) -> Pieces:
    """The text in order, cut where words begin and end, each piece with the sum of its characters."""
    pieces: Pieces = []
    begin = 0
    for end in range(1, len(values) + 1):
        if end == len(values) or text[end].isalnum() != text[end - 1].isalnum():
            pieces.append((text[begin:end], round(sum(values[begin:end]), 6)))
            begin = end
    return pieces
