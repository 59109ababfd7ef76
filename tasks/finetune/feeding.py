"""What the trainer is fed: rows as they were tokenized or as the frozen layers left them, in batches of like length."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import Dataset, Sampler
from transformers import PreTrainedModel

from tasks.finetune import Augmentation

REGION = 50  # batches that are sorted by length together: large enough for little padding, small enough to stay random


@dataclass(frozen=True)
class Rows(Dataset[dict[str, Any]]):
    """Ragged rows: ``values[starts[i]:starts[i + 1]]`` is row i, [tokens] of ids or [tokens, hidden] of activations."""

    key: str  # the model's argument: input_ids or inputs_embeds
    values: npt.NDArray[Any]
    starts: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int64]
    ids: Sequence[str] | None = None
    """What the rows are called in messages."""
    unit: ClassVar[str] = "tokens"
    """What speed is counted in."""

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, i: int) -> dict[str, Any]:
        return {self.key: self.values[self.starts[i] : self.starts[i + 1]], "labels": self.labels[i]}

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Tokens of each row."""
        return np.diff(self.starts)

    def named(self, rows: Sequence[int], most: int = 8) -> str:
        """The rows by their ids, or their numbers, for a message."""
        names = [f"number {i}" if self.ids is None else str(self.ids[i]) for i in rows[:most]]
        return ", ".join(names) + (f" and {len(rows) - most} more" if len(rows) > most else "")

    def sample(self, count: int | None, seed: int) -> Rows:
        """So many of the rows, drawn once; all of them without a count."""
        if count is None or count >= len(self):
            return self
        drawn = np.sort(np.random.default_rng(seed).permutation(len(self))[:count])
        values = np.concatenate([self.values[self.starts[i] : self.starts[i + 1]] for i in drawn])
        starts = np.r_[0, np.cumsum(self.lengths[drawn])]
        ids = None if self.ids is None else [str(self.ids[int(i)]) for i in drawn]
        return replace(self, values=values, starts=starts, labels=self.labels[drawn], ids=ids)

    def collated(self, pad: int) -> Callable[[Sequence[Mapping[str, Any]]], dict[str, torch.Tensor]]:
        """What makes a batch of some of the rows, ``pad`` being the padding token."""
        return Padded(pad)

    def mask(self, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Where the tokens of a batch are, [rows, tokens]."""
        return batch["attention_mask"]

    def varied(
        self, batch: dict[str, torch.Tensor], how: Augmentation | None, seed: int, step: int
    ) -> dict[str, torch.Tensor]:
        """The batch of a step as the model is trained on it: texts stay as they are."""
        return batch


class LengthBatches(Sampler[list[int]]):
    """Row numbers in batches of like length. The order is a pure function of (seed, epoch); without a seed it is fixed,
    from short to long. A batch has at most ``tokens``, padding included; with ``begin`` they are ``cheapest``."""

    def __init__(
        self,
        lengths: npt.NDArray[np.int64],
        batch_size: int,
        seed: int | None,
        tokens: int | None = None,
        begin: int | None = None,
    ) -> None:
        # Not called batch_size: accelerate reckons from that how many rows the last batch has, and drops the others.
        self.lengths, self.most, self.seed, self.tokens, self.epoch = lengths, batch_size, seed, tokens, 0
        self.begin = begin
        self._fixed = self._cut(_by_length(lengths)) if seed is None else []
        self._count = len(self.of_epoch(0))

    def set_epoch(self, epoch: int) -> None:
        """The trainer says which epoch comes next."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self.of_epoch(self.epoch))

    def of_epoch(self, epoch: int) -> list[list[int]]:
        """The batches of that epoch in their order."""
        if self.seed is None:
            return self._fixed
        random = np.random.default_rng([self.seed, epoch])
        order = random.permutation(len(self.lengths))
        if self.tokens is not None:  # sorted as a whole: the cuts, and so the number of batches, are every epoch's
            batches = self._cut(order[_by_length(self.lengths[order])])
        else:
            size = self.most * REGION
            regions = [order[i : i + size] for i in range(0, len(order), size)]
            batches = [batch for region in regions for batch in self._cut(region[_by_length(self.lengths[region])])]
        return [batches[i] for i in random.permutation(len(batches))]

    def _cut(self, order: npt.NDArray[np.int64]) -> list[list[int]]:
        """Rows, sorted by length, in batches of ``batch_size``, or of at most ``tokens`` with the padding."""
        if self.begin is not None:
            return [order[piece].tolist() for piece in cheapest(self.lengths[order], self.most, self.begin)]
        if self.tokens is None:
            return [order[i : i + self.most].tolist() for i in range(0, len(order), self.most)]
        batches: list[list[int]] = [[]]
        for i in order.tolist():
            if batches[-1] and (len(batches[-1]) + 1) * self.lengths[i] > self.tokens:
                batches.append([])
            batches[-1].append(i)
        return batches


def cheapest(lengths: npt.NDArray[np.int64], most: int, begin: int) -> list[slice]:
    """Rows in their order, cut into pieces of at most ``most``: those that cost least in tokens, where a piece costs
    its rows padded to its longest, and ``begin`` for being one more."""
    cost, since = np.zeros(len(lengths) + 1, np.int64), np.zeros(len(lengths) + 1, np.int64)
    for end in range(1, len(lengths) + 1):
        first = max(0, end - most)
        longest = np.maximum.accumulate(lengths[first:end][::-1])[::-1]
        costs = cost[first:end] + begin + longest * np.arange(end - first, 0, -1)
        since[end], cost[end] = first + costs.argmin(), costs.min()
    pieces, end = [], len(lengths)
    while end:
        pieces.append(slice(int(since[end]), end))
        end = int(since[end])
    return pieces[::-1]


def _by_length(lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    return np.argsort(lengths, kind="stable")  # the default one orders ties as the processor likes


@dataclass(frozen=True)
class Padded:
    """Rows to tensors, padded on the right to the longest of the batch: ids with ``pad``, activations with zeros."""

    pad: int

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
        key = next(iter(rows[0]))
        lengths = np.array([len(row[key]) for row in rows])
        first = rows[0][key]
        fill, dtype = (self.pad, np.int64) if first.ndim == 1 else (0, np.float32)
        values = np.full((len(rows), lengths.max(), *first.shape[1:]), fill, dtype)
        for i, row in enumerate(rows):
            values[i, : lengths[i]] = row[key]
        mask = (np.arange(lengths.max()) < lengths[:, None]).astype(np.int64)
        labels = np.array([row["labels"] for row in rows])
        return {
            key: torch.from_numpy(values),
            "attention_mask": torch.from_numpy(mask),
            "labels": torch.from_numpy(labels),
        }


def pad(model: PreTrainedModel) -> int:
    """The padding token; a model that has none is given nothing to pad."""
    return int(getattr(model.config, "pad_token_id", None) or 0)


def model_inputs(model: PreTrainedModel, rows: Rows, batch: Sequence[int]) -> dict[str, torch.Tensor]:
    """Those rows as the model takes them, without their labels."""
    made = rows.collated(pad(model))([rows[i] for i in batch])
    return {name: tensor.to(model.device) for name, tensor in made.items() if name != "labels"}
