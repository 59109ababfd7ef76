"""The folder of a linear classifier: safetensors and JSON, which ``families/linear.py`` loads with transformers.

An embedding is a text's place on the principal axes and on the axis of each label's weights; the last layer takes the
logits from the latter.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors.numpy import save_file

from tasks.modelling.linear.choices import FAMILY
from tasks.modelling.linear.ngrams import VOCABULARY

if TYPE_CHECKING:
    from tasks.modelling.linear.fitting import Linear

WEIGHTS, CONFIG, TOKENIZER = "model.safetensors", "config.json", "tokenizer_config.json"
PADDING = "[PAD]"  # no term: a word begins with a letter or digit, characters with #, what is a second text's with >


def write(linear: Linear, folder: Path, config: Mapping[str, Any] | None = None) -> None:
    """Write the files; ``config``: more of ``config.json``. The same classifier gives the same bytes."""
    save_file(_tensors(linear), folder / WEIGHTS, metadata={"format": "pt"})
    _write_json(_config(linear) | dict(config or {}), folder / CONFIG)
    tokenizer = {
        "tokenizer_class": "LinearTokenizer",
        "word_ngrams": linear.word_ngrams,
        "char_ngrams": linear.char_ngrams,
        "pad_token": PADDING,
    }
    _write_json(tokenizer, folder / TOKENIZER)
    _write_json({term: i for i, term in enumerate([*linear.terms, PADDING])}, folder / VOCABULARY)


def _tensors(linear: Linear) -> dict[str, Any]:
    length = float(np.sqrt((linear.weights**2).sum(axis=1)).max()) if linear.weights.size else 0.0
    scale, count = length or 1.0, len(linear.labels)
    last = np.concatenate([np.zeros((count, len(linear.axes))), scale * np.eye(count)], axis=1)
    axes = np.concatenate([linear.axes, linear.weights / scale]).T
    tensors = {
        "idf": np.append(linear.idf, 0),  # of the padding
        "axes.weight": np.concatenate([axes, np.zeros((1, axes.shape[1]))]),
        "classifier.weight": last,
        "classifier.bias": linear.biases,
    }
    return {name: np.ascontiguousarray(values, dtype=np.float32) for name, values in tensors.items()}


def _config(linear: Linear) -> dict[str, Any]:
    seconds = {"text_pair": True, "pair_features": list(linear.sizes[2:])} if linear.sizes[2:] else {}
    return {
        "architectures": ["LinearForSequenceClassification"],
        "dtype": "float32",
        "hidden_size": len(linear.axes) + len(linear.labels),
        "word_features": linear.sizes[0],
        "char_features": linear.sizes[1],
        **seconds,
        "id2label": {str(i): label for i, label in enumerate(linear.labels)},
        "label2id": {label: i for i, label in enumerate(linear.labels)},
        "model_type": FAMILY,
        "pad_token_id": len(linear.terms),
        "problem_type": linear.target.problem_type,
        "vocab_size": len(linear.terms) + 1,
    }


def _write_json(value: Mapping[str, Any] | Sequence[Any], path: Path) -> None:
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
