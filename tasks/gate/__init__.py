"""Whether a challenger may take a champion's place.

``python -m tasks.gate --champion A --challenger B --output V.json``: two tables of predictions on the same rows in, a
verdict out. The tables are csv, tsv, jsonl or parquet with ``id``, ``prediction``, where there are any
``probability_<label>`` or ``confidence``, and ``label`` in either, or in a table of its own with ``--truth``. Rows are
matched by ``id``. It is no stage: nothing of the pipeline depends on its verdict.

Not covered: whether the test rows are still like what production sees. ``drift`` watches that.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tasks.core.params import Section

Rule = Literal["better", "not_worse"]


class Params(Section):
    """Section ``gate``."""

    rule: Rule = "better"
    """``better``: the interval of the difference lies above 0; ``not_worse``, for a refit: above -margin."""
    margin: float = Field(default=0.01, gt=0, lt=1)
    """Macro-F1 that ``not_worse`` is ready to lose."""
    resamples: int = Field(default=2000, ge=1000)
    """Bootstrap resamples, and as many exchanges of answers."""
    group: str | None = None
    """A column whose rows are drawn together, because they resemble each other (an author's, a thread's); null: none.
    """
    slices: tuple[str, ...] = Field(default=(), strict=False)
    """Columns; no value of one may have become significantly worse."""
    slice_level: float = Field(default=0.05, gt=0, lt=1)
    """Chance that an equal challenger is refused for any slice, all slices together."""
    slice_rows: int = Field(default=30, ge=1)
    """A value with fewer rows is not judged, and the verdict says so."""
    max_calibration_error: float | None = Field(default=0.05, ge=0, le=1)
    """Of the challenger; more than chance alone would show is what counts. Null: no limit."""
    max_log_loss: float | None = Field(default=None, ge=0)
    """Of the challenger, in nats. Null: no limit."""
    calibration_bins: int = Field(default=15, ge=2)
    """Bins of equally many rows for the calibration error."""
