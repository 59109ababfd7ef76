"""Gradient accumulation over micro-batches, and smaller ones when memory runs out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from tqdm import tqdm

from tasks.core.errors import UserError
from tasks.finetune.batching import cheapest_slices

Tensors = Mapping[str, torch.Tensor]
REMEDY = "shorten tokenize.max_length, freeze layers (finetune.frozen_layers), or take a smaller model"


def out_of_memory(error: RuntimeError) -> bool:
    """Whether torch ran out of memory, on a GPU or a CPU."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def split_batch(batch: Tensors, count: int, pass_cost: int | None = None) -> list[dict[str, torch.Tensor]]:
    """The rows of a batch in ``count`` micro-batches of similar size, each padded to its own longest row only.

    With ``pass_cost``, the cost of a forward pass in tokens, they are split further where that costs less than padding.
    """
    shares = (rows for rows in torch.arange(len(batch["labels"])).tensor_split(count) if len(rows))
    micro_batches = [_trimmed(batch, slice(int(rows[0]), int(rows[-1]) + 1)) for rows in shares]
    if pass_cost is None or "attention_mask" not in batch:
        return micro_batches
    return [smaller for micro_batch in micro_batches for smaller in _cheapest_split(micro_batch, pass_cost)]


def _cheapest_split(batch: dict[str, torch.Tensor], pass_cost: int) -> list[dict[str, torch.Tensor]]:
    lengths = batch["attention_mask"].sum(1).cpu().numpy()
    return [_trimmed(batch, rows) for rows in cheapest_slices(lengths, len(lengths), pass_cost)]


def _trimmed(batch: Tensors, rows: slice) -> dict[str, torch.Tensor]:
    chosen = {name: values[rows] for name, values in batch.items()}
    if "attention_mask" not in batch:  # images are of one size
        return chosen
    longest = int(chosen["attention_mask"].sum(1).max())
    return {name: values if name == "labels" else values[:, :longest] for name, values in chosen.items()}


def halved_on_oom(batch: list[int], run: Callable[[list[int]], None]) -> None:
    """Run over the rows of a batch without gradients, halving it while memory runs out."""
    try:
        run(batch)
        return
    except RuntimeError as error:
        if not out_of_memory(error):
            raise
        if len(batch) == 1:
            raise UserError(f"finetune: out of memory on a single row: {REMEDY}") from error
    for half in (batch[: len(batch) // 2], batch[len(batch) // 2 :]):
        halved_on_oom(half, run)


@dataclass
class Accumulation:
    """Accumulates the gradient of a batch over ``steps`` micro-batches; the optimizer step is the whole batch's."""

    steps: int
    min_rows: int = 1
    """Of a micro-batch."""
    pass_cost: int | None = None
    """Cost of a forward pass in tokens; None: micro-batches are not split to save padding."""

    def gradient(
        self, batch: Tensors, backward: Callable[[Tensors], torch.Tensor], zero_grad: Callable[[], None]
    ) -> torch.Tensor:
        """The batch's mean loss: the sum of what ``backward`` returns for each micro-batch.

        Out of memory, the gradients are dropped and the batch is repeated with twice as many micro-batches.
        """
        rows = len(batch["labels"])
        while True:
            try:
                if self.steps == 1 and self.pass_cost is None:
                    return backward(batch)  # trimming would make a GPU synchronise
                parts = split_batch(batch, min(self.steps, max(rows // self.min_rows, 1)), self.pass_cost)
                return torch.stack([backward(each) for each in parts]).sum()
            except RuntimeError as error:
                if not out_of_memory(error):
                    raise
                if self.steps >= rows // self.min_rows:
                    raise UserError(f"finetune: out of memory on the gradient of a single row: {REMEDY}") from error
            self._double(zero_grad)

    def _double(self, zero_grad: Callable[[], None]) -> None:
        zero_grad()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        self.steps *= 2
        tqdm.write(f"out of memory: gradient now accumulated over {self.steps} micro-batches; results are unchanged")
