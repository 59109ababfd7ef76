"""Judge the model on rows it never saw: ``python -m tasks.evaluate``.

Reads what ``score`` left of the test rows and never runs a model. Beside every figure stands what a TF-IDF and logistic
regression baseline, fitted on the same training rows, reaches on the same test rows, and how sure the difference is.

The interval of the calibration error lies too high: a resample repeats rows, and so adds noise that looks like error.
"""

from __future__ import annotations

from pydantic import Field

from tasks.params import Section


class Params(Section):
    """Section ``evaluate``."""

    resamples: int = Field(default=2000, ge=100)
    """Bootstrap resamples behind each interval."""
    group: str | None = None
    """A column whose rows are drawn together, because they resemble each other (an author's, a thread's); null: none.
    """
    calibration_bins: int = Field(default=15, ge=2)
    """Bins of equally many rows for the calibration error."""
