"""What became of one stage, as records hold it. No Prefect."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Outcome = Literal["ran", "restored", "unchanged"]


@dataclass(frozen=True)
class Result:
    """What became of one stage."""

    stage: str
    outcome: Outcome
    reason: str
    seconds: float
