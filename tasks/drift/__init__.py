"""Compare the current window with held-out reference rows: a calibrated verdict, and the page that explains it.

``python -m tasks.drift`` is the stage. On any two tables, outside the pipeline:
``python -m tasks.drift --reference A --current B --output V.json [--report R.html]``.
"""

from __future__ import annotations

from pydantic import Field

from tasks.core.params import Section
from tasks.core.paths import REPORTS

DRIFT_REPORT = REPORTS / "drift.html"
DRIFT_SNAPSHOT = REPORTS / "drift_snapshot.json"

BY_CONSTRUCTION = (  # their shares differ between two windows of the same rows
    "conflicting_label",  # the longer a window, the more copies it holds
    "duplicate_image",
    "duplicate_text",
    "label_missing",  # the reference needs labels, current does not
    "timestamp_unreadable",  # rows without a time all go to current
)


class SmallestEffects(Section):
    """What a signal must have moved by before somebody is woken: the largest change in a share of rows, 0 to 1."""

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

    level: float = Field(default=0.05, gt=0, lt=1)
    """The chance of any false alarm in one window, over all signals together."""
    permutations: int = Field(default=999, ge=99)
    """The p-values are multiples of 1 / (permutations + 1)."""
    smallest_effect: SmallestEffects = SmallestEffects()
    minimum_rows: int = Field(default=30, ge=10)
    """Fewer rows (or groups) than this on either side: no verdict."""
    windows_a_year: float | None = Field(default=None, gt=0)
    """How many verdicts a year the schedule makes, for the false alarms to expect. None: as many as windows of this
    length follow one another.
    """
    group: str | None = None
    """Column that tells which rows belong together; its groups are permuted whole. None: every row stands alone."""
    reasons_not_compared: list[str] = Field(default=list(BY_CONSTRUCTION))
    """Reasons of quarantine that tell nothing of a change."""
    report_rows: int = Field(default=2000, ge=100)
    """The page shows a seeded sample of this many rows of each side; the verdict uses all of them."""
    examples: int = Field(default=8, ge=0)
    """How many texts, and how many words, the page shows."""
