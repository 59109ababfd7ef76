"""Temperature scaling (Guo et al. 2017, "On Calibration of Modern Neural Networks")."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from transformers import PreTrainedModel

from tasks.modelling.checkpoints.checkpoint import last_layer

LOG_RANGE = (-3.0, 3.0)  # of log(temperature)


def fit(logits: npt.NDArray[Any], labels: npt.NDArray[np.int64]) -> float:
    """The temperature that maximises the likelihood of held-out ``labels`` [rows] given ``logits`` [rows, labels].

    Its logarithm has a standard normal prior, which weighs less than one row: without it, the temperature would be 0
    when every row is classified correctly.
    """
    held_out, truth = torch.from_numpy(logits.astype(np.float64)), torch.from_numpy(labels)
    log = torch.zeros((), dtype=torch.float64, requires_grad=True)
    search = torch.optim.LBFGS([log], max_iter=100, tolerance_grad=1e-9, line_search_fn="strong_wolfe")

    def cost() -> torch.Tensor:
        search.zero_grad()
        loss = torch.nn.functional.cross_entropy(held_out / log.exp(), truth, reduction="sum") + log * log / 2
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    search.step(cost)  # type: ignore[no-untyped-call]
    return float(log.detach().clamp(*LOG_RANGE).exp())


def cross_entropy(logits: npt.NDArray[Any], labels: npt.NDArray[np.int64]) -> float:
    """Mean of −log p(label), in nats, in float64."""
    scaled = logits.astype(np.float64)
    scaled -= scaled.max(axis=1, keepdims=True)
    return float(np.mean(np.log(np.exp(scaled).sum(axis=1)) - scaled[np.arange(len(labels)), labels]))


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
