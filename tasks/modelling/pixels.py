"""Images as model input, in two steps: pixels resized and stored as bytes, and scaled when they are used.

The first step is the checkpoint's image processor without rescaling and normalisation. The second is linear in every
channel, which ``layout`` checks, so that both together equal the processor (and ``transformers.pipeline``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tasks.core.errors import UserError
from tasks.images import decoded

Bytes = npt.NDArray[np.uint8]
LAYOUT_FILE = "pixels.json"  # in data/tokens
TOLERANCE = 1e-5


@dataclass(frozen=True)
class Layout:
    """The shape of an image's pixels, and the scale and shift of each channel."""

    shape: tuple[int, int, int]
    """Channels, height, width."""
    scale: tuple[float, ...]
    shift: tuple[float, ...]

    def to_json(self) -> dict[str, Any]:
        """For ``pixels.json``."""
        return asdict(self)

    @staticmethod
    def from_json(values: dict[str, Any]) -> Layout:
        """From ``pixels.json``."""
        channels, height, width = values["shape"]
        return Layout((channels, height, width), tuple(values["scale"]), tuple(values["shift"]))


def resized(processor: Any, images: Iterable[bytes]) -> Bytes:
    """The pixels [images, channels, height, width] of encoded images, resized and cropped by the processor.

    UserError if their sizes differ.
    """
    unscaled = {"do_rescale": False, "do_normalize": False}
    if hasattr(processor, "include_top"):  # EfficientNet's second normalisation
        unscaled["include_top"] = False
    try:
        made = processor(images=[decoded(data) for data in images], return_tensors="np", **unscaled)
    except ValueError as error:
        raise UserError(
            f"model.name: its image processor refuses these images, or gives images of different sizes: {error}"
        ) from error
    found = np.asarray(made.get("pixel_values", ()))
    if found.ndim != 4:
        raise UserError(
            f"model.name: its image processor gives {' and '.join(made)} and no images by pixel: name another model"
        )
    return found.astype(np.uint8)


def values(processor: Any, images: Sequence[bytes]) -> npt.NDArray[np.float32]:
    """The model's input for encoded images, by the whole processor: [images, channels, height, width]."""
    made = processor(images=[decoded(data) for data in images], return_tensors="np")["pixel_values"]
    return np.asarray(made, np.float32)


def layout(processor: Any, images: Sequence[bytes]) -> Layout:
    """Shape, scale and shift of the processor; UserError if it does more than that on these images."""
    from PIL import Image

    _, channels, height, width = (pixels := resized(processor, images)).shape
    black, white = (
        np.asarray(processor(images=[Image.new("RGB", (width, height), tone)], return_tensors="np")["pixel_values"][0])
        for tone in ("black", "white")
    )
    shift = black.mean(axis=(1, 2), dtype=np.float64)
    scale = (white.mean(axis=(1, 2), dtype=np.float64) - shift) / 255
    found = Layout((channels, height, width), tuple(scale.tolist()), tuple(shift.tolist()))
    if not np.allclose(scaled(found, pixels), values(processor, images), atol=TOLERANCE):
        raise UserError("model.name: its image processor does more than resize and scale; set it to another checkpoint")
    return found


def scaled(layout: Layout, pixels: Bytes) -> npt.NDArray[np.float32]:
    """The model's input [images, channels, height, width] from pixels of that shape."""
    scale, shift = (np.array(each, np.float32)[:, None, None] for each in (layout.scale, layout.shift))
    made: npt.NDArray[np.float32] = pixels.astype(np.float32) * scale + shift
    return made
