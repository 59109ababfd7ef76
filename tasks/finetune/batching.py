"""The training dataset: rows as tokenized, or as the frozen layers' activations, in length-grouped batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.utils.data import Dataset, Sampler
from transformers import PreTrainedModel

from tasks.finetune import Augmentation
from tasks.modelling.checkpoints.head import needs_equal_lengths

TYPES = "token_type_ids"
GROUP_BATCHES = 50  # batches sorted by length together: enough for little padding, few enough to stay random


@dataclass(frozen=True)
class Rows(Dataset[dict[str, Any]]):
    """Ragged rows: ``values[starts[i]:starts[i + 1]]`` is row i, [tokens] of ids or [tokens, hidden] of activations."""

    key: str  # the model's argument: input_ids or inputs_embeds
    values: npt.NDArray[Any]
    starts: npt.NDArray[np.int64]
    labels: npt.NDArray[Any]
    """The truth of each row, as the target reads it: int64 [rows], or float32 [rows, labels]."""
    ids: Sequence[str] | None = None
    """Row ids, for messages."""
    types: npt.NDArray[Any] | None = None
    """Of pairs, beside ``values``: which text each token is of; None where the model does not read it."""
    unit: ClassVar[str] = "tokens"
    """Unit of the throughput."""

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, i: int) -> dict[str, Any]:
        inside = slice(self.starts[i], self.starts[i + 1])
        types = {} if self.types is None else {TYPES: self.types[inside]}
        return {self.key: self.values[inside], **types, "labels": self.labels[i]}

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Tokens of each row."""
        return np.diff(self.starts)

    def describe(self, rows: Sequence[int], max_shown: int = 8) -> str:
        """The rows by their ids, or their numbers, for a message."""
        names = [f"number {i}" if self.ids is None else str(self.ids[i]) for i in rows[:max_shown]]
        return ", ".join(names) + (f" and {len(rows) - max_shown} more" if len(rows) > max_shown else "")

    def sample(self, count: int | None, seed: int) -> Rows:
        """A fixed random sample of ``count`` rows; all rows without a count."""
        if count is None or count >= len(self):
            return self
        return self.take(np.sort(np.random.default_rng(seed).permutation(len(self))[:count]).tolist())

    def take(self, drawn: Sequence[int]) -> Rows:
        """These rows, in this order."""
        places = [slice(self.starts[i], self.starts[i + 1]) for i in drawn]
        values = np.concatenate([self.values[place] for place in places])
        types = None if self.types is None else np.concatenate([self.types[place] for place in places])
        starts = np.r_[0, np.cumsum(self.lengths[list(drawn)])]
        ids = None if self.ids is None else [str(self.ids[i]) for i in drawn]
        return replace(self, values=values, starts=starts, labels=self.labels[list(drawn)], ids=ids, types=types)

    def collator(self, pad_token_id: int) -> Callable[[Sequence[Mapping[str, Any]]], dict[str, torch.Tensor]]:
        """Makes a batch of rows."""
        return PaddingCollator(pad_token_id)

    def mask(self, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """The attention mask of a batch, [rows, tokens]."""
        return batch["attention_mask"]

    def augmented(
        self,
        batch: dict[str, torch.Tensor],
        how: Augmentation | None,
        seed: int,
        step: int,
        part: slice = slice(None),
        of: int | None = None,
    ) -> dict[str, torch.Tensor]:
        """The batch of a step after augmentation; texts have none. ``part``: where its rows stand in one of ``of``."""
        return batch


class LengthGroupedSampler(Sampler[list[int]]):
    """Row numbers in batches of similar length, in an order that only (seed, epoch) decide; without a seed, from short
    to long. ``max_tokens`` bounds a batch, padding included; with ``pass_cost`` batches are ``cheapest_slices``; a last
    batch of fewer than ``min_rows`` joins the one before."""

    def __init__(
        self,
        lengths: npt.NDArray[np.int64],
        batch_size: int,
        seed: int | None,
        max_tokens: int | None = None,
        pass_cost: int | None = None,
        min_rows: int = 1,
    ) -> None:
        # Not named batch_size: accelerate would derive the size of the last batch from it and drop rows.
        self.lengths, self.max_rows, self.seed, self.max_tokens, self.epoch = lengths, batch_size, seed, max_tokens, 0
        self.pass_cost, self.min_rows = pass_cost, min_rows
        self._fixed = self._cut(_by_length(lengths)) if seed is None else []
        self._count = len(self.of_epoch(0))

    def set_epoch(self, epoch: int) -> None:
        """Called by the trainer before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self.of_epoch(self.epoch))

    def of_epoch(self, epoch: int) -> list[list[int]]:
        """The batches of an epoch, in order."""
        if self.seed is None:
            return self._fixed
        random = np.random.default_rng([self.seed, epoch])
        order = random.permutation(len(self.lengths))
        if self.max_tokens is not None:  # sorted as a whole, so that every epoch has the same number of batches
            batches = self._cut(order[_by_length(self.lengths[order])])
        else:
            size = self.max_rows * GROUP_BATCHES
            groups = [order[i : i + size] for i in range(0, len(order), size)]
            batches = [batch for group in groups for batch in self._cut(group[_by_length(self.lengths[group])])]
        return [batches[i] for i in random.permutation(len(batches))]

    def _cut(self, order: npt.NDArray[np.int64]) -> list[list[int]]:
        """Rows, sorted by length, in batches of ``max_rows`` or at most ``max_tokens``."""
        if self.pass_cost is not None:
            slices = cheapest_slices(self.lengths[order], self.max_rows, self.pass_cost)
            return [order[rows].tolist() for rows in slices]
        if self.max_tokens is None:
            cut = [order[i : i + self.max_rows].tolist() for i in range(0, len(order), self.max_rows)]
            if len(cut) > 1 and len(cut[-1]) < self.min_rows:
                cut[-2:] = [cut[-2] + cut[-1]]
            return cut
        batches: list[list[int]] = [[]]
        for i in order.tolist():
            if batches[-1] and (len(batches[-1]) + 1) * self.lengths[i] > self.max_tokens:
                batches.append([])
            batches[-1].append(i)
        return batches


def cheapest_slices(lengths: npt.NDArray[np.int64], max_rows: int, pass_cost: int) -> list[slice]:
    """Cut rows, in order, into slices of at most ``max_rows`` with the lowest total cost in tokens: a slice costs its
    rows padded to its longest, plus ``pass_cost``. At a ``pass_cost`` of 0 no row is padded."""
    cost, start = np.zeros(len(lengths) + 1, np.int64), np.zeros(len(lengths) + 1, np.int64)
    for end in range(1, len(lengths) + 1):
        first = max(0, end - max_rows)
        longest = np.maximum.accumulate(lengths[first:end][::-1])[::-1]
        costs = cost[first:end] + pass_cost + longest * np.arange(end - first, 0, -1)
        start[end], cost[end] = first + costs.argmin(), costs.min()
    slices, end = [], len(lengths)
    while end:
        slices.append(slice(int(start[end]), end))
        end = int(start[end])
    return slices[::-1]


def _by_length(lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    return np.argsort(lengths, kind="stable")  # the default sort orders ties differently by CPU


@dataclass(frozen=True)
class PaddingCollator:
    """Rows to tensors, padded on the right to the longest: ids with ``pad_token_id``, activations with zeros."""

    pad_token_id: int

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
        key = next(iter(rows[0]))
        lengths = np.array([len(row[key]) for row in rows])
        first = rows[0][key]
        fill, dtype = (self.pad_token_id, np.int64) if first.ndim == 1 else (0, np.float32)
        values = np.full((len(rows), lengths.max(), *first.shape[1:]), fill, dtype)
        for i, row in enumerate(rows):
            values[i, : lengths[i]] = row[key]
        mask = (np.arange(lengths.max()) < lengths[:, None]).astype(np.int64)
        labels = np.array([row["labels"] for row in rows])
        types = {}
        if TYPES in rows[0]:
            types[TYPES] = torch.zeros(mask.shape, dtype=torch.int64)
            for i, row in enumerate(rows):
                types[TYPES][i, : lengths[i]] = torch.from_numpy(row[TYPES].astype(np.int64))
        return {
            key: torch.from_numpy(values),
            "attention_mask": torch.from_numpy(mask),
            **types,
            "labels": torch.from_numpy(labels),
        }


def pad_token_id(model: PreTrainedModel) -> int:
    """The padding token; 0 for a model without one, which is never given padding."""
    return int(getattr(model.config.get_text_config(), "pad_token_id", None) or 0)


def min_rows(model: PreTrainedModel) -> int:
    """Rows that a training batch needs: two where a batch norm takes the variance over rows."""
    return 2 if any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in model.modules()) else 1


def passes(model: PreTrainedModel, rows: Rows, batch_size: int) -> LengthGroupedSampler:
    """All rows from short to long, in batches that the model may be given."""
    return LengthGroupedSampler(rows.lengths, batch_size, None, pass_cost=0 if needs_equal_lengths(model) else None)


def model_inputs(model: PreTrainedModel, rows: Rows, batch: Sequence[int]) -> dict[str, torch.Tensor]:
    """A batch of rows as the model's input, without labels."""
    made = rows.collator(pad_token_id(model))([rows[i] for i in batch])
    return {name: tensor.to(model.device) for name, tensor in made.items() if name != "labels"}
