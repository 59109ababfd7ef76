"""Whether a challenger replaces the champion.

``python -m tasks.gate --champion A --challenger B --output V.json``: two tables of predictions on the same rows in, a
verdict out. The tables are csv, tsv, jsonl or parquet with ``id``, ``prediction``, where there are any
``probability_<label>`` or ``confidence``, and ``label`` in either, or in a table of its own with ``--truth``. Rows are
matched by ``id``. It is not a stage: nothing of the pipeline depends on its verdict.

Not covered: whether the test rows are still like production data. ``drift`` tests that.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field

from tasks.core.params import Section

Rule = Literal["better", "not_worse"]
PROMOTE, KEEP, CANNOT_TELL = "promote", "do not promote", "cannot be told"
"""What a verdict comes to; rows that cannot tell do not promote either."""


class Params(Section):
    """Section ``gate``."""

    RENAMED: ClassVar[Mapping[str, str]] = {"slice_rows": "min_slice_rows"}

    rule: Rule = "better"
    """``better``: the interval of the difference lies above 0; ``not_worse``, for a refit: above -margin."""
    margin: float = Field(default=0.01, gt=0, lt=1)
    """The loss of macro-F1 that ``not_worse`` accepts."""
    resamples: int = Field(default=2000, ge=1000)
    """Bootstrap resamples, and as many permutations of the randomization test."""
    group: str | None = None
    """A column whose rows are resampled together, because they are dependent (an author's, a thread's); null: none.
    """
    slices: tuple[str, ...] = Field(default=(), strict=False)
    """Columns; no value of one may have become significantly worse."""
    slice_level: float = Field(default=0.05, gt=0, lt=1)
    """Family-wise level: the chance that a challenger that is equal on every slice is refused for any of them."""
    min_slice_rows: int = Field(default=30, ge=1)
    """A value with fewer rows is not tested, and the verdict says so."""
    max_calibration_error: float | None = Field(default=0.05, ge=0, le=1)
    """Of the challenger. An error within what chance alone explains never exceeds it. Null: no limit."""
    max_log_loss: float | None = Field(default=None, ge=0)
    """Of the challenger, in nats. Null: no limit."""
    calibration_bins: int = Field(default=15, ge=2)
    """Bins of equally many rows for the calibration error."""
