"""A linear classifier as its folder holds it, on numpy: answers what ``families/linear.py`` does, without torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load_file
from scipy.sparse import csr_array

from tasks.core.errors import UserError
from tasks.core.rows import Text
from tasks.modelling.checkpoints import inspection
from tasks.modelling.checkpoints.inspection import CONFIG, TOKENIZER_CONFIG, WEIGHTS
from tasks.modelling.linear import tfidf
from tasks.modelling.linear.ngrams import VOCABULARY, Reader
from tasks.modelling.linear.tfidf import Floats

CHUNK = 1024  # rows whose n-grams are held at once


@dataclass(frozen=True)
class Scorer:
    """Embeddings are the TF-IDF of a text times ``axes``; logits are ``last`` times an embedding, plus ``biases``."""

    reader: Reader
    sizes: tuple[int, ...]
    """Terms of each block that has a norm of its own; the padding is in none."""
    idf: Floats
    """[terms]"""
    axes: Floats
    """[terms, hidden]"""
    last: Floats
    """[labels, hidden]"""
    biases: Floats
    """[labels]"""

    @classmethod
    def load(cls, folder: Path) -> Scorer:
        """From its files. UserError where they are not safe, not whole or do not belong together."""
        inspection.refuse_unsafe(folder)
        config, tokenizer, vocabulary = (
            inspection.read_object(folder / name) for name in (CONFIG, TOKENIZER_CONFIG, VOCABULARY)
        )
        sizes = config["word_features"], config["char_features"], *(config.get("pair_features") or ())
        terms, hidden, labels = config["vocab_size"], config["hidden_size"], len(config["id2label"])
        shapes = {
            "idf": (terms,),
            "axes.weight": (terms, hidden),
            "classifier.weight": (labels, hidden),
            "classifier.bias": (labels,),
        }
        if inspection.shapes(folder) != shapes or len(vocabulary) != terms or sum(sizes) != terms - 1:
            raise UserError(f"{folder}: {CONFIG}, {VOCABULARY} and {WEIGHTS} do not belong together: train it anew")
        tensors = load_file(folder / WEIGHTS)
        for name, values in tensors.items():
            if not np.isfinite(values).all():
                raise UserError(f"{folder}: the weight {name} is not finite: train it anew")
        span = tokenizer.get("char_ngrams")
        reader = Reader(vocabulary, tokenizer["word_ngrams"], (span[0], span[1]) if span else None)
        idf, axes, last, biases = (tensors[name].astype(np.float64) for name in shapes)
        return cls(reader, sizes, idf[:-1], axes[:-1], last, biases)

    def values(self, texts: Sequence[Text]) -> csr_array:
        """The TF-IDF of texts, [rows, terms]."""
        return tfidf.weighted(tfidf.counted(texts, self.reader, len(self.idf)), self.idf, self.sizes)

    def answers(self, texts: Sequence[Text]) -> tuple[Floats, npt.NDArray[np.float32]]:
        """Logits [rows, labels] and embeddings [rows, hidden]; a row's do not depend on what is beside it."""
        logits = np.empty((len(texts), len(self.biases)))
        embeddings = np.empty((len(texts), self.axes.shape[1]), np.float32)
        for start in range(0, len(texts), CHUNK):
            chunk = slice(start, start + CHUNK)
            logits[chunk], embeddings[chunk] = self.of_values(self.values(texts[chunk]))
        return logits, embeddings

    def of_values(self, values: csr_array) -> tuple[Floats, Floats]:
        """Logits [rows, labels] and embeddings [rows, hidden] of what ``values`` gives."""
        embeddings: Floats = values @ self.axes
        return embeddings @ self.last.T + self.biases, embeddings
