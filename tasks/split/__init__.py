"""Split the validated reference rows into train, validation and test, without leakage and reproducibly.

``python -m tasks.split`` reads ``data/reference/validated.parquet`` and writes ``data/splits/``. Rows are taken in the
order of the source. A row with no earlier near-duplicate and no earlier member of its group is placed by ``by``, with
``group`` or ``stratify`` in the split furthest below its share (``balance.py``). Any other joins the split of its
near-duplicates or group, so that none of them are in two splits. One that resembles rows of two splits is quarantined
(``bridges_splits``). Because a row is placed by what came before it, rows appended to the source never move an old one.

Pairs of texts are near-duplicates as a whole; and those that share the first text, but for case and spacing, stay in
one split as if it were their group. A second text may be in two, as answers and hypotheses recur: ``group: text_pair``
keeps those together too.

Not covered: texts with the same meaning in other words. Near-duplicates share their words, not their sense. Of images
only those with the same pixels count as copies, and ``validate`` has taken them out; several shots of one thing stay in
one split by ``group`` alone.
"""

from __future__ import annotations

from typing import Literal, Self, get_args

from pydantic import Field, model_validator

from tasks.core.params import Section, UtcTime

Name = Literal["train", "validation", "test"]
NAMES: tuple[Name, ...] = get_args(Name)


class Params(Section):
    """Section ``split``."""

    by: Literal["hash", "time", "given"] = "hash"
    validation: float = Field(default=0.1, gt=0, lt=1)
    """Share of rows; with ``by: hash``."""
    test: float = Field(default=0.2, gt=0, lt=1)
    """Share of rows; with ``by: hash``."""
    stratify: bool = False
    """Keep the shares within each label too: a row goes where its label is furthest below; rare labels go to train."""
    validation_from: UtcTime | None = None
    """With ``by: time``: earlier rows are train."""
    test_from: UtcTime | None = None
    """With ``by: time``: from here on rows are test."""
    given: str | None = None
    """With ``by: given``: the column that says train, validation or test."""
    group: str | None = None
    """A column of the source; rows that share its value are never in two splits. A new value goes to an empty split, or
    to the one furthest below its share."""
    similarity: float | None = Field(default=0.7, gt=0, le=1)
    """Jaccard similarity of two texts' word pairs from which they are near-duplicates; null: no search for them, nor
    for pairs that share their first text."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.validation + self.test >= 1:
            raise ValueError("validation and test leave nothing to train on")
        if self.by == "time" and not (
            self.validation_from and self.test_from and self.validation_from < self.test_from
        ):
            raise ValueError("by: time needs validation_from and a later test_from")
        if self.by == "given" and self.given is None:
            raise ValueError("by: given needs given, the column that holds train, validation or test")
        return self

    def shares(self) -> dict[Name, float]:
        """The share of the rows that each split is to have."""
        return {"train": 1 - self.validation - self.test, "validation": self.validation, "test": self.test}
