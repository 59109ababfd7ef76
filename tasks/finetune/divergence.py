"""The losses of the steps, and when they say that a training has gone wrong."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

PATIENCE = 100  # steps before a training can diverge
MEMORY = 0.98  # of the running mean: the last fifty steps or so
APART = 16  # steps between two looks on a GPU, which each look makes wait


@dataclass
class Trouble:
    """A loss that ends the training."""

    step: int
    """From 1."""
    words: str


class Losses:
    """Running mean of the losses; its state goes into a checkpoint, so that a continued training judges alike."""

    def __init__(self, labels: int, apart: int = 1) -> None:
        self.labels, self.apart = labels, apart
        self.mean: float | None = None
        self.lowest = math.inf
        self._pending: list[tuple[int, torch.Tensor]] = []

    def add(self, step: int, loss: torch.Tensor) -> Trouble | None:
        """The loss of a step, and what is wrong with it or with one since the last look."""
        self._pending.append((step, loss))
        return self.look() if len(self._pending) >= self.apart else None

    def look(self) -> Trouble | None:
        """What is wrong with a loss since the last look."""
        pending, self._pending = self._pending, []
        values = torch.stack([loss for _, loss in pending]).tolist() if pending else []
        for (step, _), loss in zip(pending, values, strict=True):
            if not math.isfinite(loss):
                return Trouble(step, f"the loss is {loss}")
            if self._diverged(step, loss):
                return Trouble(step, f"the loss diverges: {self.mean:.3g} on average, after {self.lowest:.3g} at best")
        return None

    def _diverged(self, step: int, loss: float) -> bool:
        """Three times the best there was, and twice what guessing would give."""
        self.mean = loss if self.mean is None else MEMORY * self.mean + (1 - MEMORY) * loss
        if step <= PATIENCE:
            return False
        self.lowest = min(self.lowest, self.mean)
        return self.mean > 3 * self.lowest and self.mean > 2 * math.log(max(self.labels, 2))

    def state(self) -> dict[str, float | None]:
        """What a checkpoint holds of it."""
        return {"mean": self.mean, "lowest": self.lowest if math.isfinite(self.lowest) else None}

    def restore(self, state: dict[str, float | None]) -> None:
        """Go on from what a checkpoint held."""
        lowest = state["lowest"]
        self.mean, self.lowest = state["mean"], math.inf if lowest is None else lowest
