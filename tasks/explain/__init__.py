"""Why the model says what it says, and which labels to doubt: ``python -m tasks.explain``.

For the test rows that the model is wrong about with most confidence it says which tokens spoke for the answer rather
than for the truth (integrated gradients: Sundararajan et al. 2017), and of all labelled rows which labels look most
like mistakes (confident learning: Northcutt et al. 2021), judged by word counts of the other rows. Writes
``reports/explained.html``, ``reports/suspects.csv`` and ``metrics/explain.json``.

Any text, without touching the pipeline's outputs::

    driftline explain --text "Dear friend, you have won"

Not covered: images; the page shows the model's mistakes about them and says so.

Attributions say what moved this model's answer, not what is true of the world, nor what would change the answer.
"""

from __future__ import annotations

from pydantic import Field

from tasks.core.params import Section
from tasks.core.paths import REPORTS

EXPLAINED = REPORTS / "explained.html"
SUSPECTS = REPORTS / "suspects.csv"


class Params(Section):
    """Section ``explain``."""

    mistakes: int = Field(default=8, ge=0)
    """Of the test rows, the most confident first; 0: none."""
    steps: int = Field(default=16, ge=4)
    """Of the integral to begin with; doubled, up to ``most_steps``, until it is complete."""
    most_steps: int = Field(default=128, ge=4)
    tolerance: float = Field(default=0.05, gt=0)
    """How far the attributions may sum from what they are to add up to, as a share of it."""
    batch_size: int = Field(default=16, ge=1)
    """Points of the integral run at once."""
    threads: int = Field(default=2, ge=1)
    """Of a CPU. The last digits of the result depend on it."""
    suspects: float = Field(default=0.03, ge=0, le=1)
    """Share of the labelled rows that is listed as suspicious, at most; 0: none, and no search."""
    folds: int = Field(default=5, ge=2)
    """Parts the labelled rows are cut into; each is judged by a baseline fitted on the others."""
    max_rows: int = Field(default=50_000, ge=100)
    """Labelled rows looked through; of more, so many drawn at random."""
