"""How a window's change compares with those of the windows watched before it. No Prefect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import BaseModel, ConfigDict

MAX_WINDOWS = 60  # the newest


class PastWindows(BaseModel):
    """The windows that the same champion was watched on before."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    windows: int
    changed_as_much: dict[str, int]
    """By signal, how many of them changed at least as much as the window that is looked at."""

    @classmethod
    def of(cls, now: Mapping[str, float], before: Sequence[Mapping[str, float]]) -> PastWindows:
        """Compare effects, the largest change in a share of rows by signal.

        Not covered: that a small window changes more by chance than a large one.
        """
        counts = {name: sum(past.get(name, 0.0) >= effect for past in before) for name, effect in now.items()}
        return cls(windows=len(before), changed_as_much=counts)

    def describe(self, significant: Mapping[str, float]) -> str | None:
        """Of the signal that changed most among the significant ones; None where there is nothing to compare."""
        if not significant or not self.windows:
            return None
        largest = max(significant, key=lambda name: significant[name])
        return (
            f"{self.changed_as_much[largest]} of {self.windows} earlier windows under this champion changed as much in "
            f"{largest}"
        )
