"""The mean over a text's tokens as an ordinary BERT layer, so that a stock BertForSequenceClassification computes it.

The layer's query and key weights are zero: its attention is the same for every token that is no padding. Value is the
identity, the attention's output SCALE times it, the feed-forward part adds nothing, and the pooler is the identity
before its tanh. So the last layer is given ``tanh(norm(SCALE * mean + first token))``, where ``norm`` is the layer
norm without weights; ``features`` is the same from the mean and the first token.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from bench.default.rows import LABELS
from bench.default.states import SOURCE
from tasks.modelling.checkpoints import checkpoint

SCALE = 10.0  # the mean's weight beside the first token, which the layer's residual adds


def classifier(depth: int) -> Any:
    """The checkpoint's lowest ``depth`` layers, and the mean over them; the last layer is random: seed torch first."""
    model: Any = checkpoint.classifier(SOURCE, LABELS, layers=depth + 1)
    set_to_mean(model.bert.encoder.layer[depth])
    _set(model.bert.pooler.dense, 1.0)
    return model


@torch.no_grad()
def set_to_mean(layer: Any) -> None:
    """Make a BERT layer's output at the first token the mean over the tokens."""
    attention = layer.attention
    for part in (attention.self.query, attention.self.key, layer.output.dense):
        _set(part, 0.0)
    _set(attention.self.value, 1.0)
    _set(attention.output.dense, SCALE)
    for norm in (attention.output.LayerNorm, layer.output.LayerNorm):
        norm.weight.fill_(1.0)
        norm.bias.zero_()


@torch.no_grad()
def _set(linear: nn.Linear, scale: float) -> None:
    linear.weight.zero_().fill_diagonal_(scale)
    linear.bias.zero_()


def features(means: np.ndarray, firsts: np.ndarray) -> np.ndarray:
    """What the last layer is given, [rows, hidden], from the mean over the tokens and the first token."""
    mixed = SCALE * means.astype(np.float64) + firsts
    centred = mixed - mixed.mean(axis=1, keepdims=True)
    return np.tanh(centred / np.sqrt((centred**2).mean(axis=1, keepdims=True)))
