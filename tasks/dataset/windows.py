"""The windows of ``params.yaml``: which rows of time are the reference, which are current, and where they come from."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from tasks.core.params import Section, UtcTime, parse, read
from tasks.core.paths import PARAMS


class Columns(Section):
    """Which column of the source plays which part; exactly one of text and image holds the input."""

    text: str | None = None
    text_pair: str | None = None
    """The second text, where a row is a pair of them (docs/howto/pairs-of-texts.md)."""
    image: str | None = None
    label: str | None = None
    timestamp: str | None = None
    id: str | None = None

    @model_validator(mode="after")
    def _one_input(self) -> Self:
        if (self.text is None) == (self.image is None):
            raise ValueError("name exactly one of text and image")
        if self.text_pair is not None and self.text_pair in (self.text, self.label, self.id, self.timestamp):
            raise ValueError(f"text_pair is {self.text_pair!r}, which is named as another part: name another column")
        if self.text_pair is not None and self.image is not None:
            raise ValueError("text_pair is beside text, not beside image: remove one of them")
        return self


class LateLabels(Section):
    """A table of labels that arrived after the rows they belong to."""

    source: str
    id: str
    label: str


class WindowRange(Section):
    """A half-open range of time [from, until), with its own source, columns or late labels where they differ."""

    from_: UtcTime | None = Field(default=None, alias="from")
    until: UtcTime | None = None
    source: str | None = None
    columns: Columns | None = None
    labels: LateLabels | None = None

    @model_validator(mode="after")
    def _forward(self) -> Self:
        if self.from_ and self.until and self.from_ >= self.until:
            raise ValueError(f"from ({self.from_:%Y-%m-%d %H:%M}) is not before until ({self.until:%Y-%m-%d %H:%M})")
        return self


class Windows(Section):
    """The two windows of time that everything is about."""

    reference: WindowRange = WindowRange()
    current: WindowRange = WindowRange()

    @model_validator(mode="after")
    def _apart(self) -> Self:
        """Both ranges read one source unless a window names its own; then a row in both would be judged by itself."""
        a, b = self.reference, self.current
        undated = not any((a.from_, a.until, b.from_, b.until))
        if undated or a.source != b.source:
            return self
        starts_after = a.from_ is not None and b.until is not None and a.from_ >= b.until
        ends_before = a.until is not None and b.from_ is not None and a.until <= b.from_
        if not (starts_after or ends_before):
            raise ValueError("reference and current overlap: let one end where the other begins")
        return self


def load(file: Path = PARAMS) -> Windows:
    """The section ``windows``."""
    return parse(Windows, read(file).get("windows") or {}, "windows", file)
