"""The training curves, and the machine and versions for the cost file."""

from __future__ import annotations

import csv
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from tasks.core import chip
from tasks.core.files import replacing

COLUMNS = {
    "epoch": "epoch",
    "step": "step",
    "train_loss": "loss",
    "validation_loss": "eval_loss_mean",
    "validation_accuracy": "eval_accuracy",
}
PACKAGES = ("torch", "transformers", "tokenizers", "accelerate", "peft", "safetensors", "numpy")


def curves(log: Sequence[Mapping[str, float]]) -> list[dict[str, float | int]]:
    """One row for each evaluation in the trainer's log: mean training loss since the last, mean validation loss."""
    by_step: dict[int, dict[str, float]] = {}
    for entry in log:
        by_step.setdefault(int(entry["step"]), {}).update(entry)
    evaluations = [entry for _, entry in sorted(by_step.items()) if COLUMNS["validation_loss"] in entry]
    return [_row(entry) for entry in evaluations]


def _row(entry: Mapping[str, float]) -> dict[str, float | int]:
    epoch = round(entry["epoch"], 4)
    whole = {"epoch": int(epoch) if epoch == int(epoch) else epoch, "step": int(entry["step"])}
    return whole | {name: round(entry[key], 6) for name, key in COLUMNS.items() if name not in whole}


def write_curves(rows: Sequence[Mapping[str, float | int]], path: Path) -> None:
    """CSV with COLUMNS as its header."""
    with replacing(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(COLUMNS), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def host() -> dict[str, object]:
    """CPU and versions: two costs compare only where these are the same."""
    return {"cpu": chip.kind(), "python": platform.python_version(), **versions(PACKAGES)}


def versions(packages: Sequence[str]) -> dict[str, str]:
    """The installed version of each."""
    return {name: version(name) for name in packages}
