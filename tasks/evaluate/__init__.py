"""Evaluate the model on the test rows: ``python -m tasks.evaluate``.

Reads the predictions that ``score`` wrote and never runs a model. Every measure has an interval, and is compared with
that of the baseline (``tasks/baseline``), which was fitted on the same training rows.

The interval of the calibration error is biased upwards: a resample repeats rows, and the noise looks like error.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from tasks.core.params import Section
from tasks.core.paths import METRICS, REPORTS

SUMMARY = METRICS / "summary.json"
"""The few numbers that DVC calls metrics: the columns of `dvc exp show`."""
BEHAVIOUR_FAILED = REPORTS / "behaviour_failed.csv"
MEASURES = Path("measures.py")
"""Your own measures: functions that ``evaluate.measures`` names."""


class Slices(Section):
    """The slices of the rows that are also evaluated."""

    RENAMED: ClassVar[Mapping[str, str]] = {"rows": "min_rows"}

    columns: tuple[str, ...] = Field(default=(), strict=False)
    """Columns of the rows: a slice for each value; numbers and times are cut into ranges."""
    text_length: bool = True
    """Four slices of equally many rows, by characters."""
    time: bool = True
    """By day, month or year."""
    script: bool = True
    """By the script that most letters belong to."""
    image: bool = True
    """Of images: by width, height, mode, brightness, contrast and bytes."""
    words: bool = True
    """Search the texts that contain a word, too."""
    min_rows: int = Field(default=30, ge=5)
    """A slice with fewer rows is not evaluated."""
    level: float = Field(default=0.05, gt=0, lt=1)
    """Family-wise level at which a slice is called worse: once for the declared ones, once for the search."""
    worst: int = Field(default=5, ge=0)
    """How many the search reports; 0: no search."""
    permutations: int = Field(default=1000, ge=100)
    """Permutations of the errors, for the p-values of the search."""


class Params(Section):
    """Section ``evaluate``."""

    resamples: int = Field(default=2000, ge=100)
    """Bootstrap resamples behind each interval."""
    group: str | None = None
    """A column whose rows are resampled together, because they are dependent (an author's, a thread's); null: none.
    """
    calibration_bins: int = Field(default=15, ge=2)
    """Bins of equally many rows for the calibration error."""
    measures: tuple[str, ...] = Field(default=(), strict=False)
    """Functions of ``measures.py``: your own measures, evaluated like the others."""
    slices: Slices = Slices()
