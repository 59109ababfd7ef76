"""Explain the model's mistakes and find label errors: ``python -m tasks.explain``.

For the most confident mistakes on the test rows it gives each token's or pixel's attribution to the prediction over
the true label (integrated gradients: Sundararajan et al. 2017), and it lists the labelled rows that look most like
label errors (confident learning: Northcutt et al. 2021), predicted from word counts of the other rows. Writes
``reports/explained.html``, ``reports/suspects.csv`` and ``metrics/explain.json``.

Any text or image, without touching the pipeline's outputs::

    driftline explain --text "Dear friend, you have won"
    driftline explain --image digit.png --output why.png

Not covered: label errors among images, which are not searched for.

Attributions explain this model's prediction, not the world, nor what would change the prediction.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field

from tasks.core.params import Section
from tasks.core.paths import REPORTS

EXPLAINED = REPORTS / "explained.html"
SUSPECTS = REPORTS / "suspects.csv"


class Params(Section):
    """Section ``explain``."""

    RENAMED: ClassVar[Mapping[str, str]] = {"most_steps": "max_steps"}

    mistakes: int = Field(default=8, ge=0)
    """Of the test rows, the most confident first; 0: none."""
    steps: int = Field(default=16, ge=4)
    """Initial steps of the integral; doubled, up to ``max_steps``, until the attributions are complete."""
    max_steps: int = Field(default=128, ge=4)
    tolerance: float = Field(default=0.05, gt=0)
    """Completeness: the largest relative error of the attributions' sum."""
    batch_size: int = Field(default=16, ge=1)
    """Steps of the integral run at once."""
    threads: int = Field(default=2, ge=1)
    """CPU threads. The last digits of the result depend on it."""
    suspects: float = Field(default=0.03, ge=0, le=1)
    """Maximum share of the labelled rows listed as suspected label errors; 0: no search."""
    folds: int = Field(default=5, ge=2)
    """Cross-validation folds of the baseline that predicts the labels."""
    max_rows: int = Field(default=50_000, ge=100)
    """Labelled rows searched; of more, a random sample."""
