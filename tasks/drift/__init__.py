"""Compare the current window with held-out reference rows: a calibrated verdict, and the page that explains it.

``python -m tasks.drift`` is the stage. On any two tables, outside the pipeline:
``python -m tasks.drift --reference A --current B --output V.json [--report R.html]``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field

from tasks.core.params import Section
from tasks.core.paths import REPORTS

DRIFT_REPORT = REPORTS / "drift.html"
DRIFT_SNAPSHOT = REPORTS / "drift_snapshot.json"
DRIFT_SEGMENTS = REPORTS / "drift_segments.parquet"
"""The segments that each current row is in: its columns are ``id`` and ``segment``, as in ``metrics/drift.json``."""

NO_EVIDENCE = (  # their shares differ between two windows of the same rows
    "conflicting_label",  # the longer a window, the more copies it holds
    "duplicate_image",
    "duplicate_text",
    "landed_again",  # how often the same rows land says nothing of new ones
    "superseded",
    "label_missing",  # the reference needs labels, current does not
    "timestamp_unreadable",  # rows without a time all go to current
)


class SmallestEffects(Section):
    """The effect from which a significant signal raises an alarm: the largest change in a share of rows, 0 to 1."""

    text: float = Field(default=0.05, ge=0, le=1)
    """Along the length, the punctuation and the other descriptors of a text."""
    image: float = Field(default=0.05, ge=0, le=1)
    """Along the size, the brightness and the other properties of an image."""
    vocabulary: float = Field(default=0.05, ge=0, le=1)
    """In the share of texts that hold a word."""
    embeddings: float = Field(default=0.05, ge=0, le=1)
    """Along a principal axis of the embeddings, or in the share of rows near one of their centres."""
    predictions: float = Field(default=0.05, ge=0, le=1)
    confidence: float = Field(default=0.05, ge=0, le=1)
    labels: float = Field(default=0.05, ge=0, le=1)
    accuracy: float = Field(default=0.02, ge=0, le=1)
    """In the share of labelled rows whose prediction is right."""
    quarantine: float = Field(default=0.05, ge=0, le=1)
    """In the share of incoming rows that were quarantined for one reason."""


class Params(Section):
    """The ``drift`` section of ``params.yaml``."""

    RENAMED: ClassVar[Mapping[str, str]] = {
        "minimum_rows": "min_rows",
        "windows_a_year": "windows_per_year",
        "reasons_not_compared": "ignored_reasons",
    }

    level: float = Field(default=0.05, gt=0, lt=1)
    """The chance of any false alarm in one window, over all signals together."""
    permutations: int = Field(default=999, ge=99)
    """The p-values are multiples of 1 / (permutations + 1)."""
    smallest_effect: SmallestEffects = SmallestEffects()
    min_rows: int = Field(default=30, ge=10)
    """Fewer rows (or groups) than this on either side: no verdict."""
    windows_per_year: float | None = Field(default=None, gt=0)
    """How many verdicts a year the schedule makes, for the expected false alarms. None: as many as windows of this
    length follow one another.
    """
    group: str | None = None
    """Column of the groups, which are permuted whole. None: every row is independent."""
    slices: tuple[str, ...] = Field(default=(), strict=False)
    """Columns of the rows: a segment for each value, beside the clusters; numbers and times are cut into ranges."""
    ignored_reasons: list[str] = Field(default=list(NO_EVIDENCE))
    """Reasons of quarantine that are no evidence of drift."""
    report_rows: int = Field(default=2000, ge=100)
    """The page shows a seeded sample of this many rows of each side; the verdict uses all of them."""
    examples: int = Field(default=8, ge=0)
    """How many example texts, and how many words, the page shows."""
