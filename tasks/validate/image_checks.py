"""Images as ``validate`` sees them: decoded once, with what is wrong with them or else their properties."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from tqdm import tqdm

from tasks import images
from tasks.core.errors import UserError
from tasks.core.rows import IMAGE, Modality
from tasks.dataset.schema import SEEN
from tasks.validate import Images, Params

BAR_FROM = 1000  # images: fewer are done before a bar is read
OF_TEXTS = ("min_characters", "max_characters", "scripts", "forbidden_characters", "privacy")
OF_IMAGES = ("image",)


def refuse_other(section: Params, kind: Modality) -> None:
    """Refuse rules that the rows have nothing for: a promise that nobody keeps is worse than none."""
    for key in OF_TEXTS if kind == "image" else OF_IMAGES:
        if getattr(section, key) != Params.model_fields[key].get_default(call_default_factory=True):
            raise UserError(f"validate.{key} is set, but the rows are {kind}s: take it out")


def looked_at(raw: pa.Table, section: Images) -> pa.Table:
    """The rows with the columns SEEN, null where an image cannot be used; ``problem`` then says why, if nothing else
    was wrong."""
    column = raw[IMAGE]
    values = tqdm(column, desc="decode", unit=" images", mininterval=1, disable=len(column) < BAR_FROM)
    found = [_properties(value.as_py(), section) for value in values]
    faults = pa.array([its.pop("fault", None) for its in found], pa.string())
    place = raw.column_names.index("problem")
    rows = raw.set_column(place, raw.schema.field("problem"), pc.coalesce(raw["problem"], faults))
    for field in SEEN:
        rows = rows.append_column(field, pa.array([its.get(field.name) for its in found], field.type))
    return rows


def _properties(data: bytes | None, section: Images) -> dict[str, Any]:
    its = images.opened(data, section.formats, section.max_pixels)
    if its.picture is None:
        return {"fault": its.fault}
    levels = images.grey(its.picture)
    return {
        "image_bytes": len(data or b""),
        "image_format": its.format,
        "image_mode": its.mode,
        "image_width": its.picture.width,
        "image_height": its.picture.height,
        "image_brightness": round(float(levels.mean()), 3),
        "image_contrast": round(float(levels.std()), 3),
        "image_pixels": images.digest(its.picture),
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
