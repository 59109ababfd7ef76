"""Images as a model takes them, in two halves: pixels cut to size, kept as bytes, and their scaling, done when used.

The first half is the checkpoint's image processor without its arithmetic. The second is linear in every channel, which
``layout`` makes sure of, so that the halves give what the processor gives (and ``transformers.pipeline`` with it).
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
FILE = "pixels.json"  # of data/tokens: the layout of what the tables beside it hold
CLOSE = 1e-5


@dataclass(frozen=True)
class Layout:
    """The shape of an image's pixels, and by channel what they are multiplied by and what is then added."""

    shape: tuple[int, int, int]
    """Channels, height, width."""
    scale: tuple[float, ...]
    shift: tuple[float, ...]

    def written(self) -> dict[str, Any]:
        """For ``pixels.json``."""
        return asdict(self)

    @staticmethod
    def read(values: dict[str, Any]) -> Layout:
        """From ``pixels.json``."""
        channels, height, width = values["shape"]
        return Layout((channels, height, width), tuple(values["scale"]), tuple(values["shift"]))


def cut(processor: Any, images: Iterable[bytes]) -> Bytes:
    """The pixels of encoded images, turned, resized and cropped as the processor does.

    [images, channels, height, width]; refused where it makes them of different sizes.
    """
    pictures = [decoded(data) for data in images]
    try:
        made = processor(images=pictures, do_rescale=False, do_normalize=False, return_tensors="np")["pixel_values"]
    except ValueError as error:
        raise UserError(f"model.name: its image processor does not make images of one size: {error}") from error
    return np.asarray(made, np.uint8)


def values(processor: Any, images: Sequence[bytes]) -> npt.NDArray[np.float32]:
    """The model's input for encoded images, all of the processor: [images, channels, height, width]."""
    made = processor(images=[decoded(data) for data in images], return_tensors="np")["pixel_values"]
    return np.asarray(made, np.float32)


def layout(processor: Any, images: Sequence[bytes]) -> Layout:
    """What the processor makes of pixels; refused where on these images it is no scaling by channel."""
    from PIL import Image

    _, channels, height, width = (pixels := cut(processor, images)).shape
    black, white = (
        np.asarray(processor(images=[Image.new("RGB", (width, height), tone)], return_tensors="np")["pixel_values"][0])
        for tone in ("black", "white")
    )
    shift = black.mean(axis=(1, 2), dtype=np.float64)
    scale = (white.mean(axis=(1, 2), dtype=np.float64) - shift) / 255
    found = Layout((channels, height, width), tuple(scale.tolist()), tuple(shift.tolist()))
    if not np.allclose(scaled(found, pixels), values(processor, images), atol=CLOSE):
        raise UserError("model.name: its image processor does more than cut and scale; name another checkpoint")
    return found


def scaled(its: Layout, pixels: Bytes) -> npt.NDArray[np.float32]:
    """The model's input [images, channels, height, width] from pixels of that shape."""
    scale, shift = (np.array(each, np.float32)[:, None, None] for each in (its.scale, its.shift))
    made: npt.NDArray[np.float32] = pixels.astype(np.float32) * scale + shift
    return made
