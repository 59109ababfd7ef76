"""The one page a person opens: ``python -m tasks.report`` writes ``reports/index.html``.

It shows what the other stages wrote and computes nothing of its own but sums and words. The page is one file without
scripts that asks nobody for anything, and whatever a text, a label or a column's name holds is shown, never run.
Beside the weights it leaves ``models/README.md``, the model card.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from tasks.core.params import Section
from tasks.core.paths import REPORTS

CARD = Path("models/README.md")
INDEX = REPORTS / "index.html"


class Card(Section):
    """What the model card says that no stage can know."""

    name: str = "classifier"
    licence: str | None = None
    """Of the weights, as the hub writes it: ``apache-2.0``."""
    language: str | None = None
    """Of the texts, by ISO 639: ``en``."""
    intended_use: str | None = None
    limits: str | None = None
    data: str | None = None
    """Where the data come from, and their licence."""


class Params(Section):
    """Section ``report``."""

    largest_matrix: int = Field(default=12, ge=2)
    """Labels up to which the confusion matrix is drawn; above, the pairs most often confused are listed."""
    listed: int = Field(default=12, ge=1)
    """Entries of a list (labels, confused pairs) before the rest is folded away or summed up."""
    examples: int = Field(default=3, ge=0)
    """Quarantined rows shown for each reason and window."""
    country: str | None = Field(default=None, pattern="^[A-Z]{3}$")
    """Whose electricity the training used, by ISO 3166 (DEU), for its CO2; null: energy only."""
    card: Card = Card()
