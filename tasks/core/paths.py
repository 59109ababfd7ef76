"""The paths that pass between stages. Relative to the top of the repository, where every command is run.

What one stage alone writes is named with that stage; the tables of windows and splits in tasks/dataset/layout.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

WindowName = Literal["reference", "current"]
WINDOWS: tuple[WindowName, ...] = get_args(WindowName)

PARAMS = Path("params.yaml")
ENVIRONMENT = Path("environment.json")
DATA = Path("data")
TOKENS = DATA / "tokens"
PRETRAINED = Path("models/pretrained")
CLASSIFIER = Path("models/classifier")
BASELINE = Path("models/baseline")
CHECKPOINTS = Path(".checkpoints")
METRICS = Path("metrics")
REPORTS = Path("reports")
CURVES = REPORTS / "curves.csv"
FINETUNE_COST = REPORTS / "finetune_cost.json"


def metrics(stage: str, window: WindowName | None = None) -> Path:
    """The metrics file of a stage."""
    return METRICS / (f"{stage}_{window}.json" if window else f"{stage}.json")
