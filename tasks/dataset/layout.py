"""Where the tables of a window and of the splits lie. Relative to the top of the repository."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from tasks.core.paths import REPORTS, WindowName

LANDING = Path("data/landing")
SPLITS = Path("data/splits")
SCORED_SPLITS: Final = ("validation", "test")


def split(name: Literal["train", "validation", "test", "quarantine"]) -> Path:
    """One of the tables that ``split`` writes."""
    return SPLITS / f"{name}.parquet"


@dataclass(frozen=True)
class WindowPaths:
    """The files of one window."""

    folder: Path

    @property
    def raw(self) -> Path:
        return self.folder / "raw.parquet"

    @property
    def validated(self) -> Path:
        return self.folder / "validated.parquet"

    @property
    def quarantine(self) -> Path:
        return self.folder / "quarantine.parquet"

    @property
    def scored(self) -> Path:
        return self.folder / "scored.parquet"

    @property
    def baseline(self) -> Path:
        return self.folder / "baseline.parquet"

    @property
    def embeddings(self) -> Path:
        return self.folder / "embeddings.npy"

    @property
    def behaviour(self) -> Path:
        return self.folder / "behaviour.parquet"

    @property
    def data_docs(self) -> Path:
        return REPORTS / "data_docs" / self.folder.name


def window(name: WindowName) -> WindowPaths:
    """The files of the window of that name."""
    return WindowPaths(Path("data") / name)
