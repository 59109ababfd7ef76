"""The calibration of a target (``tasks/modelling/targets``), folded into the weights of a model."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import nn
from transformers import PreTrainedModel

from tasks.modelling.checkpoints.checkpoint import last_layer
from tasks.modelling.targets.target import Array, Calibration, Target

__all__ = ["fit", "fold", "scaled_by"]


def fit(target: Target, logits: Array, labels: Array, layers: Sequence[nn.Linear]) -> Calibration:
    """From held-out rows; what the layers have no biases for is left out."""
    return target.calibrate(logits, labels, shift=all(layer.bias is not None for layer in layers))


@torch.no_grad()
def fold(layers: Sequence[nn.Linear], calibration: Calibration) -> None:
    """Calibrate the logits, in the weights of the layers that ``scaled_by`` found."""
    divisor, shift = calibration.divisor, calibration.shift
    for layer in layers:
        for weight in (layer.weight, layer.bias):
            if weight is not None and isinstance(divisor, np.ndarray):
                weight.div_(torch.from_numpy(divisor).to(weight).reshape(-1, *[1] * (weight.ndim - 1)))
            elif weight is not None:
                weight.div_(divisor)
        if shift is not None and layer.bias is not None:
            layer.bias.add_(torch.from_numpy(shift).to(layer.bias))


@torch.no_grad()
def scaled_by(model: PreTrainedModel, logits: Callable[[], torch.Tensor]) -> list[nn.Linear]:
    """The layers whose weights scale the logits: the last, or where a model averages several over the labels, all of
    them; empty if neither do."""
    last, before = last_layer(model), logits()
    over_labels = [
        one for one in model.modules() if isinstance(one, nn.Linear) and one.out_features == last.out_features
    ]
    for layers in ([last], over_labels):
        fold(layers, Calibration(2.0))
        halved = logits()
        fold(layers, Calibration(0.5))  # exact
        if torch.allclose(halved * 2, before, rtol=1e-4, atol=1e-6):
            return layers
    return []
