"""Exact attributions of a linear model: what each n-gram adds to the logits is its weight times its TF-IDF."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from tasks.core.rows import Text, texts_of
from tasks.explain import Params
from tasks.explain.attribution import Explained, Pieces, contrast, margin_of
from tasks.modelling.checkpoints import checkpoint


class LinearExplainer:
    """A linear classifier whose predictions are explained."""

    def __init__(self, folder: Path, section: Params) -> None:
        torch.set_num_threads(section.threads)
        self.tokenizer: Any
        self.model: Any
        self.tokenizer, self.model = checkpoint.load_trained(folder)
        self.labels = checkpoint.labels_of(folder)

    @torch.inference_mode()
    def explain(self, text: Text, other: str | None = None, label: str | None = None) -> Explained:
        """The prediction for a text, compared with another label: by default, and for one that the model does not
        know, the second most likely. Of a model that gives several, ``label``, by default the likeliest, against its
        absence. The addends of an n-gram are divided equally among its words, or its characters.

        They add up to the margin over that of a text without any known n-gram, which has the biases alone.
        """
        texts = texts_of(text)
        encoded = self.tokenizer(*texts, truncation=True, return_tensors="pt")
        ids, model = encoded["input_ids"], self.model
        logits, biases = model(**encoded).logits[0], model.classifier.bias
        answer, beside = of = contrast(logits, model, self.labels, label, other)
        margin, without = (float(margin_of(values, of)) for values in (logits, biases))
        direction = margin_of(model.classifier.weight.T, of)
        added = (model.token_weights(ids, encoded["attention_mask"])[0] * (model.axes(ids[0]) @ direction)).tolist()
        values = _by_character(text, self.tokenizer.reader, added)
        error = abs(sum(map(sum, values)) - (margin - without)) / max(abs(margin - without), 1e-9)
        pieces, *second = map(_pieces, texts, values)
        return Explained(
            pieces,
            self.labels[answer],
            None if beside is None else self.labels[beside],
            round(margin, 6),
            round(without, 6),
            round(error, 6),
            1,
            error <= 1e-3,
            "".join(its[len(read) :].strip() for its, read in zip(texts, values, strict=True)),
            *second,
        )


def _by_character(text: Text, reader: Any, added: list[float]) -> list[list[float]]:
    """What each character that is read of each text adds; ``added``: what each n-gram does, in the reader's order."""
    values = [[0.0] * min(len(its), reader.limit) for its in texts_of(text)]
    places = zip(reader.places_of(text), added, strict=False)  # one padding, where there is no n-gram
    for (side, _, spans), value in places:
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
