"""Which rows of a batch each process of a training takes: the batches and their order are those of one process."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from torch.utils.data import Sampler

from tasks.finetune.batching import LengthGroupedSampler


def cut(lengths: npt.NDArray[np.int64], count: int) -> list[slice]:
    """Rows, sorted by length, in ``count`` runs of about as many tokens each; a run may be empty.

    Neighbours stay together, so that each run has little padding.
    """
    middles = np.cumsum(lengths) - lengths / 2
    ends = np.searchsorted(middles, lengths.sum() * np.arange(1, count) / count)
    return [slice(int(start), int(end)) for start, end in zip([0, *ends], [*ends, len(lengths)], strict=True)]


@dataclass(frozen=True)
class Share:
    """A process's rows of one batch."""

    batch: list[int]
    """All rows of the batch."""
    part: slice
    """Where this process's stand in it."""

    @property
    def rows(self) -> list[int]:
        """What the process computes on: where it has no rows the batch's first, which then counts for nothing."""
        return self.batch[self.kept]

    @property
    def kept(self) -> slice:
        """Where these rows stand in the batch."""
        return slice(0, 1) if self.is_empty else self.part

    @property
    def is_empty(self) -> bool:
        """Whether the process has none."""
        return bool(self.part.start == self.part.stop)


class Shares(Sampler[list[int]]):
    """One process's rows of each batch of ``whole``."""

    def __init__(self, whole: LengthGroupedSampler, index: int, count: int) -> None:
        self.whole, self.index, self.count, self.epoch = whole, index, count, 0
        self._of_epoch = lru_cache(maxsize=1)(whole.of_epoch)

    def set_epoch(self, epoch: int) -> None:
        """Called by the trainer before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.whole)

    def __iter__(self) -> Iterator[list[int]]:
        return (self._share(batch).rows for batch in self._of_epoch(self.epoch))

    def of_step(self, step: int) -> Share:
        """The share of a step, counted from 0 over all epochs."""
        epoch, number = divmod(step, len(self.whole))
        return self._share(self._of_epoch(epoch)[number])

    def _share(self, batch: list[int]) -> Share:
        return Share(batch, cut(self.whole.lengths[batch], self.count)[self.index])


class Dealt(Sampler[list[int]]):
    """Every ``count``-th batch, from the ``index``-th on; all of them where there are fewer than processes."""

    def __init__(self, whole: LengthGroupedSampler, index: int, count: int) -> None:
        self.all = whole.of_epoch(0)
        self.own = self.all[index::count] if len(self.all) >= count else self.all

    def __len__(self) -> int:
        return len(self.own)

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self.own)
