"""Early stopping: the weights of the check with the lowest validation loss, and when waiting for a lower one ends."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

FILE = "best.pt"


@dataclass
class Best:
    """Of ``patience`` checks in a row one has to be better than all before; without a patience nothing is kept."""

    patience: int | None
    loss: float = math.inf
    step: int = 0
    worse: int = 0
    """Checks since."""
    weights: dict[str, torch.Tensor] = field(default_factory=dict)

    def check(self, step: int, loss: float, weights: dict[str, torch.Tensor]) -> bool:
        """Take note of a check; whether it is time to stop."""
        if self.patience is None:
            return False
        if loss < self.loss:
            self.loss, self.step, self.worse = loss, step, 0
            self.weights = {name: tensor.detach().to("cpu", copy=True) for name, tensor in weights.items()}
        else:
            self.worse += 1
        return self.over

    @property
    def over(self) -> bool:
        """Whether waiting has ended."""
        return self.patience is not None and self.worse >= self.patience

    def write(self, folder: Path) -> None:
        """Into a checkpoint."""
        if self.weights:
            state: dict[str, Any] = {"loss": self.loss, "step": self.step, "worse": self.worse, "weights": self.weights}
            torch.save(state, folder / FILE)

    def restore(self, folder: Path) -> None:
        """From a checkpoint."""
        if (folder / FILE).exists():
            state = torch.load(folder / FILE, map_location="cpu", weights_only=True)
            self.loss, self.step, self.worse, self.weights = (state[k] for k in ("loss", "step", "worse", "weights"))
