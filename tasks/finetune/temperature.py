"""The temperature of ``tasks/modelling/temperature.py``, folded into the weights of a model."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import nn
from transformers import PreTrainedModel

from tasks.modelling.checkpoints.checkpoint import last_layer
from tasks.modelling.temperature import cross_entropy
from tasks.modelling.temperature import fit_temperature as fit

__all__ = ["cross_entropy", "fit", "fold", "scaled_by"]


@torch.no_grad()
def fold(layers: Sequence[nn.Linear], temperature: float) -> None:
    """Divide the logits by the temperature, in the weights of the layers that ``scaled_by`` found."""
    for weight in _weights(layers):
        weight.div_(temperature)


@torch.no_grad()
def scaled_by(model: PreTrainedModel, logits: Callable[[], torch.Tensor]) -> list[nn.Linear]:
    """The layers whose weights scale the logits: the last, or where a model averages several over the labels, all of
    them; empty if neither do."""
    last, before = last_layer(model), logits()
    over_labels = [
        one for one in model.modules() if isinstance(one, nn.Linear) and one.out_features == last.out_features
    ]
    for layers in ([last], over_labels):
        fold(layers, 2.0)
        halved = logits()
        fold(layers, 0.5)  # exact
        if torch.allclose(halved * 2, before, rtol=1e-4, atol=1e-6):
            return layers
    return []


def _weights(layers: Sequence[nn.Linear]) -> list[torch.Tensor]:
    return [weight for layer in layers for weight in (layer.weight, layer.bias) if weight is not None]
