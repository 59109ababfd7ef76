"""Encoded images, opened with care: what a file holds is somebody else's, and may be broken, huge or made to harm.

An image is decoded as ``transformers.pipeline`` decodes it: turned as its EXIF says, then in RGB. Transparency is left
out, as there; colour profiles are not applied.
"""

from __future__ import annotations

import base64
import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from tasks.core.errors import UserError
from tasks.core.faults import sentence

if TYPE_CHECKING:
    from PIL import Image

Format = Literal["PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM"]
FORMATS: tuple[Format, ...] = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM")
MAX_PIXELS = 50_000_000
"""Of one image, by default; 150 MB once it is decoded."""
MISSING, UNKNOWN, HUGE, ANIMATED, BROKEN = (
    "image_missing",
    "image_unidentified",
    "image_too_large",
    "image_animated",
    "image_broken",
)
FAULTS = (MISSING, UNKNOWN, HUGE, ANIMATED, BROKEN)
THUMBNAIL = 96  # pixels of its longer side


@dataclass(frozen=True)
class Opened:
    """What came of an image: ``fault`` is one of FAULTS, and without it there is a picture in RGB."""

    fault: str | None = None
    format: str | None = None
    mode: str | None = None
    """Of the file, as Pillow names it: 1, L, P, RGB, RGBA, CMYK, I;16, …"""
    picture: Image.Image | None = None


def opened(data: bytes | None, formats: Sequence[str] = FORMATS, most_pixels: int = MAX_PIXELS) -> Opened:
    """Decode an image. Only the decoders of ``formats`` run, and none before the size is known to be allowed."""
    from PIL import Image, UnidentifiedImageError

    if not data:
        return Opened(MISSING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what Pillow has to say of strange metadata is no news to anybody
        try:
            found = Image.open(io.BytesIO(data), formats=list(formats))
        except Image.DecompressionBombError:
            return Opened(HUGE)
        except UnidentifiedImageError:
            return Opened(UNKNOWN)
        except Exception:  # noqa: BLE001 (a header made to harm raises what it likes)
            return Opened(BROKEN)
        return _decoded(found, most_pixels)


def _decoded(found: Image.Image, most_pixels: int) -> Opened:
    from PIL import ImageOps

    kind, mode = found.format, found.mode
    if found.width * found.height > most_pixels:
        return Opened(HUGE, kind, mode)
    try:
        if getattr(found, "is_animated", False) and kind != "MPO":  # a phone's JPEG brings its thumbnail as a frame
            return Opened(ANIMATED, kind, mode)
        return Opened(None, kind, mode, ImageOps.exif_transpose(found).convert("RGB"))
    except Exception:  # noqa: BLE001 (Pillow's decoders raise anything on broken data: OSError, SyntaxError, struct.error)
        return Opened(BROKEN, kind, mode)


def read_image(path: Path) -> bytes:
    """The bytes of an image file; UserError if it cannot be decoded."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(sentence(error) or f"{path} cannot be read: {error.strerror}") from None
    if fault := opened(data).fault:
        raise UserError(f"{path} cannot be read: {fault.replace('_', ' ')}")
    return data


def decoded(data: bytes) -> Image.Image:
    """The picture of an image that ``validate`` let pass, in RGB."""
    picture = opened(data, most_pixels=2**40).picture
    if picture is None:
        raise ValueError("an image that cannot be decoded came past validate")
    return picture


def grey(picture: Image.Image) -> npt.NDArray[np.uint8]:
    """Its grey levels [height, width]."""
    return np.asarray(picture.convert("L"))


def digest(picture: Image.Image) -> str:
    """What stands for the pixels: the same for every file that holds them, however it is encoded."""
    return sha256(f"{picture.width} {picture.height} ".encode() + picture.tobytes()).hexdigest()


def thumbnail(data: bytes | None) -> str | None:
    """A small copy as a data URI, drawn anew from the pixels so that nothing else of the file gets onto a page."""
    picture = opened(data).picture
    if picture is None:
        return None
    picture.thumbnail((THUMBNAIL, THUMBNAIL))
    held = io.BytesIO()
    picture.save(held, "PNG", icc_profile=None, exif=b"")
    return f"data:image/png;base64,{base64.b64encode(held.getvalue()).decode()}"
