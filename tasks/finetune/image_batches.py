"""Images as the trainer is fed them: pixels in memory, scaled batch by batch, varied from step to step."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import torch

from tasks.core.files import read_json
from tasks.core.tables import read_table
from tasks.finetune import Augmentation
from tasks.finetune.feeding import Rows
from tasks.modelling.pixels import FILE, Bytes, Layout, scaled

STRIDE = 1_000_003  # between the seeds of two trainings, in steps


@dataclass(frozen=True)
class Pictures(Rows):
    """Rows of one token each: ``values`` is uint8 [rows, channels, height, width]."""

    layout: Layout | None = None
    unit: ClassVar[str] = "images"

    def __getitem__(self, i: int) -> dict[str, Any]:
        return {self.key: self.values[i], "labels": self.labels[i]}

    def collated(self, pad: int) -> Callable[[Sequence[Mapping[str, Any]]], dict[str, torch.Tensor]]:
        """Rows to the model's input, scaled as the processor does."""
        assert self.layout is not None
        return Scaled(self.layout)

    def mask(self, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """One for each image."""
        return torch.ones_like(batch["labels"])[:, None]

    def varied(
        self, batch: dict[str, torch.Tensor], how: Augmentation | None, seed: int, step: int
    ) -> dict[str, torch.Tensor]:
        """The batch of a step, each image moved and mirrored at random.

        What becomes of it hangs on seed, step and place in the batch alone, so that a training that goes on sees what
        one sees that was never interrupted.
        """
        if how is None:
            return batch
        assert self.layout is not None
        random = torch.Generator().manual_seed(seed * STRIDE + step)
        images = batch[self.key]
        if how.flip:
            mirrored = torch.rand(len(images), generator=random).to(images.device) < 0.5
            images = torch.where(mirrored[:, None, None, None], images.flip(-1), images)
        return {**batch, self.key: shifted(images, how.shift, self.layout.shift, random)}


@dataclass(frozen=True)
class Scaled:
    """What collects a batch."""

    layout: Layout

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
        key = next(iter(rows[0]))
        made = scaled(self.layout, np.stack([row[key] for row in rows]))
        return {key: torch.from_numpy(made), "labels": torch.from_numpy(np.array([row["labels"] for row in rows]))}


def shifted(images: torch.Tensor, most: int, black: Sequence[float], random: torch.Generator) -> torch.Tensor:
    """Each of the images [rows, channels, height, width] cut at random out of itself in a black frame ``most`` wide."""
    rows, channels, height, width = images.shape
    frame = images.new_tensor(black)[None, :, None, None].expand(rows, channels, height + 2 * most, width + 2 * most)
    framed = frame.clone()
    framed[:, :, most : most + height, most : most + width] = images
    corner = torch.randint(0, 2 * most + 1, (2, rows), generator=random).to(images.device)
    down, right = (
        corner[side, :, None] + torch.arange(size, device=images.device) for side, size in ((0, height), (1, width))
    )
    row = torch.arange(rows, device=images.device)[:, None, None]
    return framed[row, :, down[:, :, None], right[:, None, :]].permute(0, 3, 1, 2).contiguous()


def read(file: Path) -> Pictures:
    """One split as ``tokenize`` left it."""
    layout, table = Layout.read(read_json(file.parent / FILE)), read_table(file, ["id", "pixels", "label"])
    values = np.concatenate([_flat(chunk) for chunk in table["pixels"].chunks] or [np.empty(0, np.uint8)])
    return Pictures(
        "pixel_values",
        values.reshape(-1, *layout.shape),
        np.arange(len(table) + 1),
        table["label"].to_numpy(),
        table["id"],
        layout,
    )


def _flat(chunk: pa.Array) -> Bytes:
    """The bytes of all values in a row, as they lie in memory."""
    _, offsets, data = chunk.buffers()
    ends = np.frombuffer(offsets, np.int32)[[chunk.offset, chunk.offset + len(chunk)]]
    return np.frombuffer(data, np.uint8)[ends[0] : ends[1]] if data else np.empty(0, np.uint8)
