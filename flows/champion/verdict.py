"""The gate's verdict on two commits, as notes and the tags' messages hold it: one line of JSON after a mark."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, JsonValue

from tasks.core.errors import UserError
from tasks.gate import KEEP, PROMOTE

MARK = "verdict: "


class Judged(BaseModel):
    """Whom a verdict is on, by their commits."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    champion: str | None
    """None: there was none."""
    challenger: str


class Verdict(BaseModel):
    """Whether the challenger may take the champion's place, why, and the gate's figures."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[2] = 2
    """Of the line's form; lines of earlier releases have no number and are read too."""
    promote: bool
    reason: str
    judged: Judged
    figures: dict[str, JsonValue]
    """All that ``tasks.gate`` found, under its own keys, those of the release that judged."""

    @classmethod
    def of(cls, found: Mapping[str, Any], judged: Judged) -> Verdict:
        """What the gate found on these two."""
        figures = {key: value for key, value in found.items() if key not in ("version", "promote", "reason", "judged")}
        return cls(promote=found["promote"], reason=found["reason"], judged=judged, figures=figures)

    def line(self) -> str:
        """As it is kept: the gate's figures stand beside the decision, as in ``python -m tasks.gate``'s output."""
        decision = self.model_dump(mode="json", exclude={"figures"})
        return MARK + json.dumps(decision | self.figures, ensure_ascii=False)

    @classmethod
    def lines(cls, text: str) -> list[Verdict]:
        """All verdicts of a note or of a tag's message, of any release."""
        return [found for line in text.split("\n") if line.startswith(MARK) and (found := cls._decoded(line))]

    @classmethod
    def _decoded(cls, line: str) -> Verdict | None:
        """None: of a release that did not say whom it judged."""
        try:
            one = json.loads(line.removeprefix(MARK))
            if not isinstance(one, dict):
                raise TypeError
            return cls.of(one, Judged.model_validate(one["judged"])) if "judged" in one else None
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise UserError(
                f"a note or tag holds a line that is no verdict, {line[:60]!r}: remove it with "
                "`git notes --ref=verdicts remove COMMIT` or `git tag --delete TAG`"
            ) from None

    def __str__(self) -> str:
        reason = " ".join(self.reason.split())  # it may name values of the data, which begin no line of a tag's message
        return f"{self.figures.get('outcome', PROMOTE if self.promote else KEEP)}: {reason}"
