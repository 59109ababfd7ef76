"""Where in an image the model found its answer: integrated gradients over the pixels, from the image's mean colour."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from tasks.explain import Params
from tasks.explain.attribution import path_integral, until_complete
from tasks.explain.explained import Contrast, contrast, margin_of
from tasks.images import decoded
from tasks.modelling.checkpoints import checkpoint

CELLS = 14  # on a side of the picture: single pixels say little
SIDE = 224  # pixels of the picture's longer side
MAX_OPACITY = 0.7  # of the cell with the largest attribution
FOR, AGAINST = (29, 95, 174), (196, 84, 24)


@dataclass(frozen=True)
class ExplainedImage:
    """One prediction, pixel by pixel."""

    predicted: str
    other: str
    """The label that ``predicted`` is compared with."""
    margin: float
    """Logit of ``predicted`` minus that of ``other``."""
    masked_margin: float
    """The same for an image that is all of this one's mean colour."""
    values: npt.NDArray[np.float64]
    """What each pixel added to the difference of the two, [height, width]."""
    seen: npt.NDArray[np.uint8]
    """The image as the model is given it, [channels, height, width]."""
    error: float
    """How far the attributions sum from ``margin - masked_margin``, as a share of it."""
    steps: int
    complete: bool
    """Whether the error is within the tolerance."""


class ImageExplainer:
    """A trained classifier of images whose predictions are explained."""

    def __init__(self, folder: Path, section: Params) -> None:
        torch.set_num_threads(section.threads)
        processor, self.model = checkpoint.load_trained(folder)
        self.processor: Any = processor
        self.model.requires_grad_(False)
        self._section = section
        self.labels = checkpoint.labels_of(folder)

    def explain(self, image: bytes, other: str | None = None) -> ExplainedImage:
        """The prediction for an encoded image, compared with another label: by default, and for one that the model
        does not know, the second most likely."""
        picture = decoded(image)
        whole = self.processor(images=[picture], return_tensors="pt")["pixel_values"]
        blank = whole.mean(dim=(2, 3), keepdim=True).expand_as(whole)
        with torch.inference_mode():
            logits = self.model(pixel_values=torch.cat([whole, blank])).logits
        of = contrast(logits[0].numpy(), self.model.config.to_dict(), self.labels, None, other)
        margin, masked = margin_of(logits, of).double().tolist()

        def attributed(steps: int) -> torch.Tensor:
            points = self._section.batch_size
            return path_integral(blank, whole, lambda at: self._gradients(at, of), steps, points)[0].double().sum(0)

        values, steps, error = until_complete(attributed, margin - masked, self._section)
        assert of[1] is not None  # an image has one label
        return ExplainedImage(
            self.labels[of[0]],
            self.labels[of[1]],
            round(margin, 6),
            round(masked, 6),
            values.numpy(),
            self._seen(picture),
            round(error, 6),
            steps,
            error <= self._section.tolerance,
        )

    def _seen(self, picture: Image.Image) -> npt.NDArray[np.uint8]:
        """The picture resized and cropped for the model, its levels as they were."""
        as_it_is = {"do_rescale": False, "do_normalize": False, "return_tensors": "np"}
        found: npt.NDArray[np.float64] = self.processor(images=[picture], **as_it_is)["pixel_values"][0]
        return found.clip(0, 255).astype(np.uint8)

    def _gradients(self, points: torch.Tensor, of: Contrast) -> torch.Tensor:
        """Gradient of the margin at each of ``points`` [points, channels, height, width]."""
        points.requires_grad_(True)
        return torch.autograd.grad(margin_of(self.model(pixel_values=points).logits, of).sum(), points)[0]


def cells(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The attributions summed over at most CELLS × CELLS parts of the picture; their sum stays."""
    for axis, size in enumerate(values.shape):
        starts = np.unique(np.linspace(0, size, min(CELLS, size), endpoint=False).astype(int))
        values = np.add.reduceat(values, starts, axis=axis)
    return values


def png(found: ExplainedImage) -> bytes:
    """The image in grey, blue where it spoke for the answer and orange where for the other label."""
    added = cells(found.values)
    share = np.abs(added) / (np.abs(added).max() or 1.0) * MAX_OPACITY
    colour = np.where((added > 0)[..., None], np.array(FOR), np.array(AGAINST)).astype(np.uint8)
    height, width = found.values.shape
    size = (round(width * SIDE / max(height, width)), round(height * SIDE / max(height, width)))
    seen = np.broadcast_to(found.seen, (3, height, width)) if len(found.seen) == 1 else found.seen[:3]
    grey = Image.fromarray(np.ascontiguousarray(seen.transpose(1, 2, 0))).convert("L").convert("RGB").resize(size)
    over = Image.fromarray(colour).resize(size, Image.Resampling.NEAREST)
    mask = Image.fromarray((255 * share).round().astype(np.uint8)).resize(size, Image.Resampling.NEAREST)
    held = io.BytesIO()
    Image.composite(over, grey, mask).save(held, "PNG")
    return held.getvalue()


def data_uri(picture: bytes) -> str:
    """A png as the source of an ``img``."""
    return f"data:image/png;base64,{base64.b64encode(picture).decode()}"
