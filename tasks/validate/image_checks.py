"""Checks of images: each is decoded once, which gives its properties or the reason why it cannot be used."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from tqdm import tqdm

from tasks import images
from tasks.core.errors import UserError
from tasks.core.rows import IMAGE, Modality
from tasks.dataset.schema import IMAGE_PROPERTIES
from tasks.validate import Images, Params

MIN_FOR_PROGRESS_BAR = 1_000  # images
TEXT_KEYS = ("min_characters", "max_characters", "scripts", "forbidden_characters", "privacy")
IMAGE_KEYS = ("image",)


def refuse_inapplicable_rules(section: Params, kind: Modality) -> None:
    """Refuse rules for texts where the rows are images, and the other way round. UserError: the key."""
    for key in TEXT_KEYS if kind == "image" else IMAGE_KEYS:
        if getattr(section, key) != Params.model_fields[key].get_default(call_default_factory=True):
            raise UserError(f"validate.{key} is set, but the rows are {kind}s: take it out")


def with_properties(raw: pa.Table, section: Images) -> pa.Table:
    """The rows with the columns ``IMAGE_PROPERTIES``, null where an image is unusable.

    ``problem`` then says why, unless it already names another problem.
    """
    column = raw[IMAGE]
    values = tqdm(column, desc="decode", unit=" images", mininterval=1, disable=len(column) < MIN_FOR_PROGRESS_BAR)
    properties = [_properties(value.as_py(), section) for value in values]
    faults = pa.array([one.pop("fault", None) for one in properties], pa.string())
    place = raw.column_names.index("problem")
    rows = raw.set_column(place, raw.schema.field("problem"), pc.coalesce(raw["problem"], faults))
    for field in IMAGE_PROPERTIES:
        rows = rows.append_column(field, pa.array([one.get(field.name) for one in properties], field.type))
    return rows


def _properties(data: bytes | None, section: Images) -> dict[str, Any]:
    image = images.opened(data, section.formats, section.max_pixels)
    if image.picture is None:
        return {"fault": image.fault}
    levels = images.grey(image.picture)
    return {
        "image_bytes": len(data or b""),
        "image_format": image.format,
        "image_mode": image.mode,
        "image_width": image.picture.width,
        "image_height": image.picture.height,
        "image_brightness": round(float(levels.mean()), 3),
        "image_contrast": round(float(levels.std()), 3),
        "image_pixels": images.digest(image.picture),
    }


def rules(section: Images) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """What each image must meet: the reason where it does not, the column, the limits."""
    yield "image_mode_not_allowed", "image_mode", {"value_set": list(section.modes)}
    for reason, column, least, most in (
        ("image_width_outside", "image_width", section.min_width, section.max_width),
        ("image_height_outside", "image_height", section.min_height, section.max_height),
        ("image_bytes_outside", "image_bytes", 1, section.max_bytes),
        ("image_brightness_outside", "image_brightness", section.min_brightness, section.max_brightness),
    ):
        yield reason, column, {"min_value": least, "max_value": most}
