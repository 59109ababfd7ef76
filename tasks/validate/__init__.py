"""Validate the rows of a window: ``python -m tasks.validate --window reference|current``.

The section ``validate`` is the contract with whoever delivers the data (docs/data.md). It becomes Great Expectations
suites: a row rule quarantines the rows that break it, with the reason; a table rule stops the run. Every raw row ends
in exactly one of ``validated.parquet`` and ``quarantine.parquet``; nothing is repaired and nothing is dropped. Rows
released from quarantine after review (``data/released.csv``) pass. With ``privacy: redact`` personal data in
the text of rows that pass is replaced by placeholders such as [mail], and nothing else is ever changed. Images that
pass gain columns that hold their properties (``tasks.dataset.schema.IMAGE_PROPERTIES``).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from tasks.core.params import LabelNames, Section, UtcTime
from tasks.images import FORMATS, MAX_PIXELS, Format

RELEASED = Path("data/released.csv")

Kind = Literal["text", "integer", "number", "boolean", "time"]
Characters = Literal["control", "bidi", "zero_width", "replacement", "private_use"]
Script = Literal[
    "Arabic", "Armenian", "Bengali", "Cyrillic", "Devanagari", "Ethiopic", "Georgian", "Greek", "Han", "Hangul",
    "Hebrew", "Hiragana", "Katakana", "Latin", "Tamil", "Telugu", "Thai",
]  # fmt: skip
Privacy = Literal["off", "redact", "quarantine"]


class Images(Section):
    """Section ``validate.image``: what each image must meet, beside that it can be decoded and does not move."""

    formats: list[Format] = Field(default=list(FORMATS))
    """Of the files; nothing else is even tried."""
    modes: list[str] = Field(default=["1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr"])
    """How pixels are stored, as Pillow names it. Deeper ones, such as I;16, would be cut to eight bits."""
    max_pixels: int = Field(default=MAX_PIXELS, ge=1, le=150_000_000)
    """Width times height, known before an image is decoded."""
    min_width: int = Field(default=1, ge=1)
    max_width: int | None = Field(default=None, ge=1)
    min_height: int = Field(default=1, ge=1)
    max_height: int | None = Field(default=None, ge=1)
    max_bytes: int | None = Field(default=None, ge=1)
    """Of the encoded image."""
    min_brightness: float = Field(default=0, ge=0, le=255)
    """Mean of the grey levels, 0 (black) to 255."""
    max_brightness: float = Field(default=255, ge=0, le=255)


class Params(Section):
    """Section ``validate``; every key has a default that asks for as little as possible."""

    RENAMED_VALUES: ClassVar[Mapping[str, Mapping[str, str]]] = {"privacy": {"mask": "redact"}}

    labels: LabelNames | None = None
    """The labels that are allowed; null: any that is not blank. A whole number is the label that writes it."""
    merge_labels: dict[str, str | None] = Field(default={})
    """Labels that are read as another one, {Spam: spam}, or as none, {"n/a": null}."""
    min_characters: int = Field(default=1, ge=0)
    max_characters: int | None = Field(default=None, ge=1)
    scripts: list[Script] | None = None
    """Scripts that letters of a text may be of; null: any."""
    forbidden_characters: list[Characters] = Field(default=[])
    """Kinds of characters that no text may hold."""
    image: Images = Images()
    """What images must meet."""
    earliest: UtcTime | None = None
    """Rows with an earlier time are quarantined."""
    latest: UtcTime | None = None
    """Rows with this time or a later one are quarantined."""
    columns: dict[str, Kind] = Field(default={})
    """Further columns that the source must have, and what their values must be."""
    required: list[str] = Field(default=[])
    """Further columns in which no value may be missing."""
    unique: list[str] = Field(default=[])
    """Further columns in which no value may occur twice."""
    min_rows: int = Field(default=1, ge=0)
    """Fewest rows that must pass, where the window has any."""
    min_classes: int = Field(default=2, ge=0)
    """Fewest labels among the reference rows that pass."""
    min_class_share: float | None = Field(default=None, ge=0, le=1)
    """Smallest share any one label may have among the labelled rows that pass."""
    max_class_share: float | None = Field(default=None, ge=0, le=1)
    max_quarantined: float = Field(default=0.2, ge=0, le=1)
    """Largest share of rows that may be quarantined, those without a time left out: they fall into no window."""
    privacy: Privacy = "off"
    """What becomes of personal data in a text: mail addresses, phone, card and bank numbers, network addresses."""
    phone_regions: list[str] = Field(default=["US", "GB", "DE", "FR", "IL", "IN", "CA", "BR"])
    """Countries whose phone numbers are known without a country code."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.max_characters is not None and self.max_characters < self.min_characters:
            raise ValueError(f"max_characters is below min_characters ({self.min_characters})")
        if self.earliest and self.latest and self.earliest >= self.latest:
            raise ValueError("earliest is not before latest")
        return self

    @model_validator(mode="after")
    def _merge_once(self) -> Self:
        for old, new in self.merge_labels.items():
            if new in self.merge_labels:
                raise ValueError(f"merge_labels: {old!r} becomes {new!r}, which becomes another: name the last one")
            if new is not None and self.labels is not None and new not in self.labels:
                raise ValueError(f"merge_labels: {old!r} becomes {new!r}, which is none of labels: add it there")
        return self

    @field_validator("labels", "scripts", "forbidden_characters", "required", "unique", "phone_regions")
    @classmethod
    def _once(cls, names: list[str] | None) -> list[str] | None:
        if names is not None and len(set(names)) != len(names):
            raise ValueError("one is named twice")
        return names
