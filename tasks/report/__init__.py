"""The one page a person opens: ``python -m tasks.report`` writes ``reports/index.html``.

It shows what the other stages wrote and computes only sums and phrases. The page is one file without scripts that loads
nothing from elsewhere; text, labels and column names from the data are escaped. It also writes the model card,
``models/README.md``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from tasks.core.params import Section
from tasks.core.paths import REPORTS

CARD = Path("models/README.md")
INDEX = REPORTS / "index.html"
COST = REPORTS / "cost.html"  # no output of DVC's


class Card(Section):
    """The parts of the model card that no stage knows."""

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

    RENAMED: ClassVar[Mapping[str, str]] = {"largest_matrix": "max_matrix_labels", "listed": "max_listed"}

    target_macro_f1: float | None = Field(default=None, gt=0, le=1)
    """Macro-F1 that the model has to reach on the test rows, by its 95 % interval; null: no target is stated."""
    max_matrix_labels: int = Field(default=12, ge=2)
    """Labels up to which the confusion matrix is shown; above, the pairs most often confused are listed."""
    max_listed: int = Field(default=12, ge=1)
    """Entries of a list (labels, confused pairs) before the rest is collapsed or summed up."""
    examples: int = Field(default=3, ge=0)
    """Quarantined rows shown for each reason and window."""
    country: str | None = Field(default=None, pattern="^[A-Z]{3}$")
    """The country of the training's electricity, ISO 3166 (DEU), for its CO2; null: energy only."""
    card: Card = Card()
