"""What ``finetune`` is told by name: what is minimised, and by which optimizer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import optim
from torch.nn.functional import cross_entropy, one_hot

from tasks.finetune import Params

Loss = Callable[[torch.Tensor, torch.Tensor, torch.Tensor | None, Params], torch.Tensor]


def _targets(logits: torch.Tensor, labels: torch.Tensor, section: Params) -> torch.Tensor:
    """The share of each label that a row is to have, [rows, labels]: 1 and 0, but for the smoothing."""
    count, smoothing = logits.shape[1], section.label_smoothing
    return one_hot(labels, count).to(logits.dtype) * (1 - smoothing) + smoothing / count


def _mean(losses: torch.Tensor, labels: torch.Tensor, weight: torch.Tensor | None) -> torch.Tensor:
    """Over rows [rows], each weighed as its label is."""
    return losses.mean() if weight is None else (losses * weight[labels]).sum() / weight[labels].sum()


def _cross_entropy(
    logits: torch.Tensor, labels: torch.Tensor, weight: torch.Tensor | None, section: Params
) -> torch.Tensor:
    return cross_entropy(logits, labels, weight, label_smoothing=section.label_smoothing)


def _mse(logits: torch.Tensor, labels: torch.Tensor, weight: torch.Tensor | None, section: Params) -> torch.Tensor:
    """Of the probabilities: Brier's score (1950) over the number of labels."""
    squares = (logits.softmax(1) - _targets(logits, labels, section)).square().mean(1)
    return _mean(squares, labels, weight)


def _focal(logits: torch.Tensor, labels: torch.Tensor, weight: torch.Tensor | None, section: Params) -> torch.Tensor:
    """Lin et al. 2017, "Focal Loss for Dense Object Detection": what is told well already counts for less."""
    logs = logits.log_softmax(1)
    hardness = (1 - logs.exp()).clamp(min=0) ** section.focal_gamma
    return _mean(-(_targets(logits, labels, section) * hardness * logs).sum(1), labels, weight)


LOSSES: dict[str, Loss] = {"cross_entropy": _cross_entropy, "mse": _mse, "focal": _focal}


def optimizer(section: Params) -> tuple[type[optim.Optimizer], dict[str, Any]] | None:
    """The class of ``finetune.optimizer`` and what it is made with; none for AdamW, which is the trainer's own.

    Weight decay is the trainer's to hand out. In Adam and SGD it is an L2 penalty (Loshchilov & Hutter 2019).
    """
    if section.optimizer == "adam":
        return optim.Adam, {"lr": section.learning_rate}
    if section.optimizer == "sgd":
        return optim.SGD, {"lr": section.learning_rate, "momentum": section.momentum}
    return None


def loss(logits: torch.Tensor, labels: torch.Tensor, weight: torch.Tensor | None, section: Params) -> torch.Tensor:
    """``finetune.loss`` of a batch: its mean over the rows, each weighed by ``weight`` [labels] of its label."""
    return LOSSES[section.loss](logits.float(), labels, weight, section)
