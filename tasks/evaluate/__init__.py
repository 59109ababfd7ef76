"""Judge the model on rows it never saw: ``python -m tasks.evaluate``.

Reads what ``score`` left of the test rows and never runs a model. Beside every figure stands what a logistic regression
on TF-IDF (of images: on their pixels), fitted on the same training rows, reaches on the same test rows, and how sure
the difference is.

The interval of the calibration error lies too high: a resample repeats rows, and so adds noise that looks like error.
"""

from __future__ import annotations

from pydantic import Field

from tasks.core.params import Section
from tasks.core.paths import REPORTS

BEHAVIOUR_FAILED = REPORTS / "behaviour_failed.csv"


class Slices(Section):
    """Which rows are also judged apart."""

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
    """Let the search try the rows that contain a word, too."""
    rows: int = Field(default=30, ge=5)
    """A slice with fewer is not judged."""
    level: float = Field(default=0.05, gt=0, lt=1)
    """Chance that anything is called worse where all slices are alike: once for the declared, once for the search."""
    worst: int = Field(default=5, ge=0)
    """How many the search reports; 0: no search."""
    permutations: int = Field(default=1000, ge=100)
    """How often the errors are dealt out at random, to see what a search finds by chance."""


class Params(Section):
    """Section ``evaluate``."""

    resamples: int = Field(default=2000, ge=100)
    """Bootstrap resamples behind each interval."""
    group: str | None = None
    """A column whose rows are drawn together, because they resemble each other (an author's, a thread's); null: none.
    """
    calibration_bins: int = Field(default=15, ge=2)
    """Bins of equally many rows for the calibration error."""
    slices: Slices = Slices()
