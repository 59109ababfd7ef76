"""The training dataset for images: pixels in memory, scaled batch by batch, augmented at every step."""

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
from tasks.finetune.batching import Rows
from tasks.modelling.pixels import LAYOUT_FILE, Bytes, Layout, scaled

SEED_STRIDE = 1_000_003  # steps between the seeds of two trainings


@dataclass(frozen=True)
class ImageRows(Rows):
    """Rows of one token each: ``values`` is uint8 [rows, channels, height, width]."""

    layout: Layout | None = None
    unit: ClassVar[str] = "images"

    def __getitem__(self, i: int) -> dict[str, Any]:
        return {self.key: self.values[i], "labels": self.labels[i]}

    def collator(self, pad_token_id: int) -> Callable[[Sequence[Mapping[str, Any]]], dict[str, torch.Tensor]]:
        """Makes a batch of images, scaled as the image processor does."""
        assert self.layout is not None
        return ImageCollator(self.layout)

    def mask(self, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """One for each image."""
        return torch.ones_like(batch["labels"])[:, None]

    def augmented(
        self,
        batch: dict[str, torch.Tensor],
        how: Augmentation | None,
        seed: int,
        step: int,
        part: slice = slice(None),
        of: int | None = None,
    ) -> dict[str, torch.Tensor]:
        """The batch of a step, each image shifted and flipped at random.

        Only seed, step and position in the batch decide how, so that a resumed training sees the same images, and so
        does one of several processes, whose rows are ``part`` of a batch of ``of``.
        """
        if how is None:
            return batch
        assert self.layout is not None
        random = torch.Generator().manual_seed(seed * SEED_STRIDE + step)
        images = batch[self.key]
        rows = len(images) if of is None else of
        if how.flip:
            flipped = torch.rand(rows, generator=random)[part].to(images.device) < 0.5
            images = torch.where(flipped[:, None, None, None], images.flip(-1), images)
        corner = torch.randint(0, 2 * how.shift + 1, (2, rows), generator=random)[:, part]
        return {**batch, self.key: shifted(images, how.shift, self.layout.shift, corner)}


@dataclass(frozen=True)
class ImageCollator:
    """Collates a batch."""

    layout: Layout

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
        key = next(iter(rows[0]))
        made = scaled(self.layout, np.stack([row[key] for row in rows]))
        return {key: torch.from_numpy(made), "labels": torch.from_numpy(np.array([row["labels"] for row in rows]))}


def shifted(images: torch.Tensor, max_shift: int, black: Sequence[float], corner: torch.Tensor) -> torch.Tensor:
    """Each image [rows, channels, height, width] shifted by up to ``max_shift`` pixels, the margin filled black.

    ``corner`` [2, rows]: where the image begins in one with that margin, down and right.
    """
    rows, channels, height, width = images.shape
    frame = images.new_tensor(black)[None, :, None, None].expand(
        rows, channels, height + 2 * max_shift, width + 2 * max_shift
    )
    framed = frame.clone()
    framed[:, :, max_shift : max_shift + height, max_shift : max_shift + width] = images
    corner = corner.to(images.device)
    down, right = (
        corner[side, :, None] + torch.arange(size, device=images.device) for side, size in ((0, height), (1, width))
    )
    row = torch.arange(rows, device=images.device)[:, None, None]
    return framed[row, :, down[:, :, None], right[:, None, :]].permute(0, 3, 1, 2).contiguous()


def read_image_rows(file: Path) -> ImageRows:
    """One split of ``data/tokens``."""
    layout, table = Layout.from_json(read_json(file.parent / LAYOUT_FILE)), read_table(file, ["id", "pixels", "label"])
    values = np.concatenate([flat_bytes(chunk) for chunk in table["pixels"].chunks] or [np.empty(0, np.uint8)])
    return ImageRows(
        "pixel_values",
        values.reshape(-1, *layout.shape),
        np.arange(len(table) + 1),
        table["label"].to_numpy(),
        table["id"],
        layout=layout,
    )


def flat_bytes(chunk: pa.Array) -> Bytes:
    """The bytes of all values of a binary array, concatenated."""
    _, offsets, data = chunk.buffers()
    ends = np.frombuffer(offsets, np.int32)[[chunk.offset, chunk.offset + len(chunk)]]
    return np.frombuffer(data, np.uint8)[ends[0] : ends[1]] if data else np.empty(0, np.uint8)
