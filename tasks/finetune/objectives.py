"""The loss functions and optimizers that ``finetune`` takes by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import optim
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, one_hot

from tasks.core.task import Task
from tasks.finetune import Params

Loss = Callable[[torch.Tensor, torch.Tensor, torch.Tensor | None, Params], torch.Tensor]


def _targets(logits: torch.Tensor, labels: torch.Tensor, section: Params) -> torch.Tensor:
    """Target probabilities [rows, labels], with label smoothing."""
    count, smoothing = logits.shape[1], section.label_smoothing
    return one_hot(labels, count).to(logits.dtype) * (1 - smoothing) + smoothing / count


def _mean(losses: torch.Tensor, labels: torch.Tensor, weight: torch.Tensor | None) -> torch.Tensor:
    """Mean over rows, weighted by label."""
    return losses.mean() if weight is None else (losses * weight[labels]).sum() / weight[labels].sum()


def _cross_entropy(
    logits: torch.Tensor, labels: torch.Tensor, weight: torch.Tensor | None, section: Params
) -> torch.Tensor:
    return cross_entropy(logits, labels, weight, label_smoothing=section.label_smoothing)


def _mse(logits: torch.Tensor, labels: torch.Tensor, weight: torch.Tensor | None, section: Params) -> torch.Tensor:
    """The Brier score (1950) over the number of labels."""
    squares = (logits.softmax(1) - _targets(logits, labels, section)).square().mean(1)
    return _mean(squares, labels, weight)


def _focal(logits: torch.Tensor, labels: torch.Tensor, weight: torch.Tensor | None, section: Params) -> torch.Tensor:
    """Lin et al. 2017, "Focal Loss for Dense Object Detection": well-classified rows count less."""
    logs = logits.log_softmax(1)
    hardness = (1 - logs.exp()).clamp(min=0) ** section.focal_gamma
    return _mean(-(_targets(logits, labels, section) * hardness * logs).sum(1), labels, weight)


def _binary(logits: torch.Tensor, labels: torch.Tensor, weight: torch.Tensor | None, section: Params) -> torch.Tensor:
    """Cross-entropy of each label's yes or no, ``labels`` [rows, labels] of 0 and 1: the mean over rows and labels."""
    return binary_cross_entropy_with_logits(logits, labels.to(logits.dtype))


_OF_ONE_LABEL: dict[str, Loss] = {"cross_entropy": _cross_entropy, "mse": _mse, "focal": _focal}
LOSSES: dict[Task, dict[str, Loss]] = {
    "single_label": _OF_ONE_LABEL,
    "multi_label": {"cross_entropy": _binary},
    "ordinal": _OF_ONE_LABEL,
}


def optimizer(section: Params) -> tuple[type[optim.Optimizer], dict[str, Any]] | None:
    """The class and arguments of ``finetune.optimizer``; None for AdamW, the trainer's default.

    The trainer adds weight decay; in Adam and SGD that is an L2 penalty (Loshchilov & Hutter 2019).
    """
    if section.optimizer == "adam":
        return optim.Adam, {"lr": section.learning_rate}
    if section.optimizer == "sgd":
        return optim.SGD, {"lr": section.learning_rate, "momentum": section.momentum}
    return None


def loss(
    logits: torch.Tensor,
    labels: torch.Tensor,
    weight: torch.Tensor | None,
    section: Params,
    task: Task = "single_label",
) -> torch.Tensor:
    """``finetune.loss`` of a batch: the mean over its rows, weighted by ``weight`` [labels]."""
    return LOSSES[task][section.loss](logits.float(), labels, weight, section)
