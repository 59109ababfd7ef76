"""Every artefact's path, once. Relative to the top of the repository, where every command is run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, get_args

Window = Literal["reference", "current"]
WINDOWS: tuple[Window, ...] = get_args(Window)

PARAMS = Path("params.yaml")
ENVIRONMENT = Path("environment.json")
BEHAVIOUR = Path("behaviour.yaml")
LANDING = Path("data/landing")
RELEASED = Path("data/released.csv")
SPLITS = Path("data/splits")
TOKENS = Path("data/tokens")
PRETRAINED = Path("models/pretrained")
CLASSIFIER = Path("models/classifier")
ONNX = Path("models/onnx")
CARD = Path("models/README.md")
CHECKPOINTS = Path(".checkpoints")
DVCLIVE = Path("dvclive")
METRICS = Path("metrics")
REPORTS = Path("reports")
INDEX = REPORTS / "index.html"
DRIFT_REPORT = REPORTS / "drift.html"
DRIFT_SNAPSHOT = REPORTS / "drift_snapshot.json"
CURVES = REPORTS / "curves.csv"
EXPLAINED = REPORTS / "explained.html"
SUSPECTS = REPORTS / "suspects.csv"
BEHAVIOUR_FAILED = REPORTS / "behaviour_failed.csv"
FINETUNE_COST = REPORTS / "finetune_cost.json"
EXPORT_REPORT = REPORTS / "export.json"
SCORED_SPLITS: Final = ("validation", "test")


def metrics(stage: str, window: Window | None = None) -> Path:
    """The metrics file of a stage."""
    return METRICS / (f"{stage}_{window}.json" if window else f"{stage}.json")


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
    def embeddings(self) -> Path:
        return self.folder / "embeddings.npy"

    @property
    def behaviour(self) -> Path:
        return self.folder / "behaviour.parquet"

    @property
    def data_docs(self) -> Path:
        return REPORTS / "data_docs" / self.folder.name


def window(name: Window) -> WindowPaths:
    """The files of the window of that name."""
    return WindowPaths(Path("data") / name)
