"""``score.precision: bf16``: the forward pass under autocast, and what a sample of the rows shows of its effect."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.core.errors import UserError
from tasks.core.task import Task
from tasks.modelling.checkpoints import checkpoint
from tasks.modelling.decision import Floats
from tasks.modelling.linear.choices import FAMILY
from tasks.score import Params, Precision

if TYPE_CHECKING:
    import torch

SAMPLE = 512  # rows that are scored in fp32 too: one flip among them is within MAX_FLIPS, two are not
MAX_FLIPS = 0.002
"""Largest share of the sample whose label is another; one row may be, however few there are."""
MAX_MARGIN = 0.02
"""Largest difference of the two highest fp32 probabilities of such a row."""


@dataclass(frozen=True)
class BesideFp32:
    """The sample's rows in bf16 and in fp32."""

    rows: int
    flips: int
    """Rows whose label is another."""
    flips_above_margin: int
    """Those that fp32 is sure of by more than MAX_MARGIN."""
    largest_difference: float | None
    """Of a probability; None without rows."""

    @classmethod
    def of(cls, bf16: Floats, fp32: Floats) -> BesideFp32:
        """Of the same rows' probabilities, each [rows, labels]."""
        flipped = bf16.argmax(axis=1) != fp32.argmax(axis=1)
        ranked = np.sort(fp32, axis=1)
        above = ranked[:, -1] - ranked[:, -2] > MAX_MARGIN
        largest = float(abs(bf16 - fp32).max()) if len(fp32) else None
        return cls(len(fp32), int(flipped.sum()), int((flipped & above).sum()), largest)

    def metrics(self) -> dict[str, object]:
        """For the stage's metrics."""
        share = self.flips / self.rows if self.rows else None
        return {"precision": "bf16", "beside_fp32": {**asdict(self), "flip_share": share}}

    def refuse(self) -> None:
        """UserError for more flips than one row and MAX_FLIPS, and for any above the margin."""
        if self.flips_above_margin or self.flips > max(1, MAX_FLIPS * self.rows):
            raise UserError(
                f"score.precision: bf16 gives {self.flips} of {self.rows} rows another label than fp32 (at most "
                f"{MAX_FLIPS:.1%}), {self.flips_above_margin} of them with a margin above {MAX_MARGIN} (none may "
                "have): set score.precision: fp32"
            )


def sample(rows: int) -> Sequence[int]:
    """The numbers of the rows that are scored in fp32 too, spread evenly: at most SAMPLE, the same each time."""
    found: list[int] = np.unique(np.linspace(0, rows - 1, min(rows, SAMPLE)).astype(int)).tolist()
    return found


def in_fp32(section: Params) -> Params:
    """The section with that precision."""
    return section.model_copy(update={"precision": "fp32"})


def refuse_unfit(precision: Precision, model_type: str | None, task: Task) -> None:
    """UserError for bf16 of a model that has no such pass, or whose answers are not compared with fp32's."""
    if precision == "bf16" and task != "single_label":
        raise UserError(f"score.precision: bf16 is not for task: {task}: set it to fp32")
    if precision == "bf16" and model_type == FAMILY:
        raise UserError("score.precision: bf16 is not for model.family: linear: set it to fp32")


@contextmanager
def forward_pass(model: Any, precision: Precision) -> Iterator[None]:
    """Within the block ``model`` computes in that precision; the last layer, whose output ranks the labels, in fp32."""
    if precision == "fp32":
        yield
        return
    import torch

    last = checkpoint.last_layer(model)
    last.forward = partial(_without_autocast, last.forward, model.device.type)  # type: ignore[method-assign]
    try:
        with torch.autocast(model.device.type, torch.bfloat16):
            yield
    finally:
        del last.forward


def _without_autocast(
    forward: Callable[[torch.Tensor], torch.Tensor], device: str, given: torch.Tensor
) -> torch.Tensor:
    import torch

    with torch.autocast(device, enabled=False):
        return forward(given.float())
