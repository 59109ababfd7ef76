"""A BERT's last layer computed for the CLS token only.

A classifier that reads only the first token's final state needs the other tokens as keys and values only: of a layer's
12·hidden² multiplications a token, 2·hidden² remain. The result is the same; every model is tried before it is used so:
by ``tasks/finetune/frozen.py`` before training, by ``tasks/score/passes.py`` before scoring.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention

PARTS = ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output", "feed_forward_chunk")


def is_bert_layer(layer: nn.Module) -> bool:
    """Whether a layer is built as BERT's (RoBERTa's and others' are) and uses torch's attention."""
    config = getattr(getattr(getattr(layer, "attention", None), "self", None), "config", None)
    return getattr(config, "_attn_implementation", None) == "sdpa" and all(_has(layer, part) for part in PARTS)


def _has(layer: nn.Module, path: str) -> bool:
    here: Any = layer
    for name in path.split("."):
        here = getattr(here, name, None)
    return here is not None


class ClsOnlyLayer(nn.Module):
    """A BERT layer whose output is the CLS token's: [rows, tokens, hidden] to [rows, 1, hidden]."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(
        self, hidden: torch.Tensor, attention_mask: torch.Tensor | None = None, *_: Any, **__: Any
    ) -> torch.Tensor:
        """``attention_mask`` as the model makes it for torch's attention: [rows, 1, tokens, tokens] or None."""
        layer: Any = self.layer
        attention = layer.attention.self
        first = hidden[:, :1]
        query, key, value = (
            states.unflatten(-1, (attention.num_attention_heads, -1)).transpose(1, 2)
            for states in (attention.query(first), attention.key(hidden), attention.value(hidden))
        )
        mask = None if attention_mask is None else attention_mask[:, :, :1]
        dropout = attention.dropout.p if attention.training else 0.0
        context = scaled_dot_product_attention(query, key, value, mask, dropout_p=dropout, scale=attention.scaling)
        attended = layer.attention.output(context.transpose(1, 2).flatten(2), first)
        output: torch.Tensor = layer.feed_forward_chunk(attended)
        return output
