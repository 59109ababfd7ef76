"""Stops a training whose loss is not finite or diverges."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

MIN_STEPS = 100  # before a loss can be called diverging
DECAY = 0.98  # of the running mean: about the last fifty steps
GPU_CHECK_STEPS = 16  # between two checks on a GPU, which has to synchronise for each


@dataclass
class Divergence:
    """A loss that ends the training."""

    step: int
    """Counted from 1."""
    message: str


class DivergenceGuard:
    """Running mean of the training loss; its state is part of a checkpoint, so that a resumed run decides alike."""

    def __init__(self, classes: int, check_steps: int = 1) -> None:
        self.classes, self.check_steps = classes, check_steps
        self.mean: float | None = None
        self.lowest = math.inf
        self._pending: list[tuple[int, torch.Tensor]] = []

    def add(self, step: int, loss: torch.Tensor) -> Divergence | None:
        """Record the loss of a step; checked every ``check_steps`` steps."""
        self._pending.append((step, loss))
        return self.check() if len(self._pending) >= self.check_steps else None

    def check(self) -> Divergence | None:
        """The first divergence among the losses since the last check."""
        pending, self._pending = self._pending, []
        values = torch.stack([loss for _, loss in pending]).tolist() if pending else []
        for (step, _), loss in zip(pending, values, strict=True):
            if not math.isfinite(loss):
                return Divergence(step, f"the loss is {loss}")
            if self._diverged(step, loss):
                return Divergence(step, f"the loss diverges: running mean {self.mean:.3g}, lowest {self.lowest:.3g}")
        return None

    def _diverged(self, step: int, loss: float) -> bool:
        """Three times the lowest running mean, and twice the loss of guessing."""
        self.mean = loss if self.mean is None else DECAY * self.mean + (1 - DECAY) * loss
        if step <= MIN_STEPS:
            return False
        self.lowest = min(self.lowest, self.mean)
        return self.mean > 3 * self.lowest and self.mean > 2 * math.log(max(self.classes, 2))

    def state(self) -> dict[str, float | None]:
        """For a checkpoint."""
        return {"mean": self.mean, "lowest": self.lowest if math.isfinite(self.lowest) else None}

    def restore(self, state: dict[str, float | None]) -> None:
        """From a checkpoint."""
        lowest = state["lowest"]
        self.mean, self.lowest = state["mean"], math.inf if lowest is None else lowest
