"""The last layer of a BERT for its first token alone.

A classifier that reads nothing but the first token's final state needs the other tokens' states only as keys and
values: of a layer's 12·hidden² multiplications a token, 2·hidden² remain. The function is the same, and
``frozen.can_narrow`` holds every model to that before it is trained.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention

PARTS = ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output", "feed_forward_chunk")


def fits(layer: nn.Module) -> bool:
    """Whether a layer is built as BERT's is (RoBERTa's and others' are) and attends through torch's kernel."""
    config = getattr(getattr(getattr(layer, "attention", None), "self", None), "config", None)
    return getattr(config, "_attn_implementation", None) == "sdpa" and all(_has(layer, part) for part in PARTS)


def _has(layer: nn.Module, path: str) -> bool:
    here: Any = layer
    for name in path.split("."):
        here = getattr(here, name, None)
    return here is not None


class FirstToken(nn.Module):
    """A BERT layer that answers for the first token: [rows, tokens, hidden] to [rows, 1, hidden]."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(
        self, hidden: torch.Tensor, attention_mask: torch.Tensor | None = None, *_: Any, **__: Any
    ) -> torch.Tensor:
        """``attention_mask`` is what the model makes for torch's kernel: [rows, 1, tokens, tokens] or None."""
        layer: Any = self.layer
        own = layer.attention.self
        first = hidden[:, :1]
        query, key, value = (
            made.unflatten(-1, (own.num_attention_heads, -1)).transpose(1, 2)
            for made in (own.query(first), own.key(hidden), own.value(hidden))
        )
        mask = None if attention_mask is None else attention_mask[:, :, :1]
        dropout = own.dropout.p if own.training else 0.0
        mixed = scaled_dot_product_attention(query, key, value, mask, dropout_p=dropout, scale=own.scaling)
        attended = layer.attention.output(mixed.transpose(1, 2).flatten(2), first)
        narrowed: torch.Tensor = layer.feed_forward_chunk(attended)
        return narrowed
