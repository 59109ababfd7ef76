"""Decide which rows may pass: ``python -m tasks.validate --window reference|current``.

The section ``validate`` is the contract with whoever delivers the data. It becomes Great Expectations suites: a row
rule quarantines the rows that break it, with the reason; a table rule stops the run. Every raw row ends in exactly one
of ``validated.parquet`` and ``quarantine.parquet``; nothing is repaired and nothing is dropped.
"""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from tasks.params import Section


class Params(Section):
    """Section ``validate``; every key has a default that asks for as little as possible."""

    labels: list[str] | None = None
    """The labels that are allowed; null: any that is not blank."""
    min_characters: int = Field(default=1, ge=0)
    max_characters: int | None = Field(default=None, ge=1)
    min_rows: int = Field(default=1, ge=0)
    """Fewest rows that must pass, where the window has any."""
    min_classes: int = Field(default=2, ge=0)
    """Fewest labels among the reference rows that pass."""
    min_class_share: float | None = Field(default=None, ge=0, le=1)
    """Smallest share any one label may have among the labelled rows that pass."""
    max_class_share: float | None = Field(default=None, ge=0, le=1)
    max_quarantined: float = Field(default=0.2, ge=0, le=1)
    """Largest share of rows that may be quarantined."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.max_characters is not None and self.max_characters < self.min_characters:
            raise ValueError(f"max_characters is below min_characters ({self.min_characters})")
        if self.labels is not None and len(set(self.labels)) != len(self.labels):
            raise ValueError("labels names one twice")
        return self
