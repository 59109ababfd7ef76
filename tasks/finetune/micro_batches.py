"""A batch's gradient in parts: gradient accumulation, and the way on when memory does not suffice."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from tqdm import tqdm

from tasks.core.errors import UserError
from tasks.finetune.feeding import cheapest

Tensors = Mapping[str, torch.Tensor]
REMEDY = "shorten tokenize.max_length, freeze layers (finetune.frozen_layers), or take a smaller model"


def out_of_memory(error: RuntimeError) -> bool:
    """Whether it is torch's word, a GPU's or a CPU's, for memory that could not be had."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def parts_of(batch: Tensors, parts: int, begin: int | None = None) -> list[dict[str, torch.Tensor]]:
    """The rows of a batch in so many parts of like size, each of a padded one cut to its own longest row.

    Where another pass costs no more than ``begin`` tokens, a part is cut further wherever that saves more of padding.
    """
    shares = (rows for rows in torch.arange(len(batch["labels"])).tensor_split(parts) if len(rows))
    made = [_trimmed(batch, slice(int(rows[0]), int(rows[-1]) + 1)) for rows in shares]
    return made if begin is None else [piece for part in made for piece in _pieces(part, begin)]


def _pieces(part: dict[str, torch.Tensor], begin: int) -> list[dict[str, torch.Tensor]]:
    if "attention_mask" not in part:
        return [part]
    lengths = part["attention_mask"].sum(1).cpu().numpy()
    return [_trimmed(part, piece) for piece in cheapest(lengths, len(lengths), begin)]


def _trimmed(batch: Tensors, part: slice) -> dict[str, torch.Tensor]:
    rows_of = {name: values[part] for name, values in batch.items()}
    if "attention_mask" not in batch:  # images are of one size
        return rows_of
    longest = int(rows_of["attention_mask"].sum(1).max())
    return {name: values if name == "labels" else values[:, :longest] for name, values in rows_of.items()}


def in_pieces(batch: list[int], run: Callable[[list[int]], None]) -> None:
    """Run over the rows of a batch, which need no gradient; in halves, and theirs, where memory does not suffice."""
    try:
        run(batch)
        return
    except RuntimeError as error:
        if not out_of_memory(error):
            raise
        if len(batch) == 1:
            raise UserError(f"finetune: memory does not suffice for a single row: {REMEDY}") from error
    for half in (batch[: len(batch) // 2], batch[len(batch) // 2 :]):
        in_pieces(half, run)


@dataclass
class Accumulation:
    """In how many parts the gradient of a batch is computed; the step that is taken is the whole batch's."""

    parts: int
    begin: int | None = None
    """What another pass costs, in tokens; null: a part is not cut to spare padding."""

    def gradient(
        self, batch: Tensors, backward: Callable[[Tensors], torch.Tensor], forget: Callable[[], None]
    ) -> torch.Tensor:
        """The sum of what ``backward`` gives for the parts: its share of the batch's mean loss, gradients added up.

        Without enough memory the gradients are forgotten and the batch begun again in twice as many parts.
        """
        rows = len(batch["labels"])
        while True:
            try:
                if self.parts == 1 and self.begin is None:
                    return backward(batch)  # looking for its longest row would make a GPU wait
                parts = parts_of(batch, self.parts, self.begin)
                return torch.stack([backward(part) for part in parts]).sum()
            except RuntimeError as error:
                if not out_of_memory(error):
                    raise
                if self.parts >= rows:
                    raise UserError(
                        f"finetune: memory does not suffice for the gradient of a single row: {REMEDY}"
                    ) from error
            self._halve(forget)

    def _halve(self, forget: Callable[[], None]) -> None:
        forget()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        self.parts *= 2
        tqdm.write(f"out of memory: the batch's gradient is now computed in {self.parts} parts; the steps are the same")
