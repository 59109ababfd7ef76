"""The one page a person opens: ``python -m tasks.report`` writes ``reports/index.html``.

It shows what the other stages wrote and computes nothing of its own but sums and words. The page is one file without
scripts that asks nobody for anything, and whatever a text, a label or a column's name holds is shown, never run.
"""

from __future__ import annotations

from pydantic import Field

from tasks.params import Section


class Params(Section):
    """Section ``report``."""

    largest_matrix: int = Field(default=12, ge=2)
    """Labels up to which the confusion matrix is drawn; above, the pairs most often confused are listed."""
    listed: int = Field(default=12, ge=1)
    """Entries of a list (labels, confused pairs) before the rest is folded away or summed up."""
    examples: int = Field(default=3, ge=0)
    """Quarantined rows shown for each reason and window."""
