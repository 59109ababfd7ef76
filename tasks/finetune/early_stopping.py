"""Early stopping on the validation loss, keeping the best weights."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

FILE = "best.pt"


@dataclass
class EarlyStopping:
    """Stops after ``patience`` evaluations without a lower loss; without a patience nothing is kept."""

    patience: int | None
    best_loss: float = math.inf
    best_step: int = 0
    evals_since_best: int = 0
    best_weights: dict[str, torch.Tensor] = field(default_factory=dict)

    def update(self, step: int, loss: float, weights: dict[str, torch.Tensor]) -> bool:
        """Record an evaluation; whether to stop."""
        if self.patience is None:
            return False
        if loss < self.best_loss:
            self.best_loss, self.best_step, self.evals_since_best = loss, step, 0
            self.best_weights = {name: tensor.detach().to("cpu", copy=True) for name, tensor in weights.items()}
        else:
            self.evals_since_best += 1
        return self.should_stop

    @property
    def should_stop(self) -> bool:
        """Whether the patience is used up."""
        return self.patience is not None and self.evals_since_best >= self.patience

    def write(self, folder: Path) -> None:
        """Into a checkpoint."""
        if self.best_weights:
            torch.save({name: value for name, value in vars(self).items() if name != "patience"}, folder / FILE)

    def restore(self, folder: Path) -> None:
        """From a checkpoint."""
        if (folder / FILE).exists():
            state: dict[str, Any] = torch.load(folder / FILE, map_location="cpu", weights_only=True)
            vars(self).update(state)
