"""Which arm is fitted on which split, and where what it says is kept."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import f1_score

from bench.default.arms import Arm, Mean, Tuned
from bench.default.rows import CHOOSE, JUDGE, by_time, few, labels, months, split_of
from bench.default.samples import FOLDER, SAMPLE
from bench.default.trained import Trained
from tasks.core.files import read_json, write_json

AS_PRESET = {"epochs": 2, "learning_rate": 2e-4}
BASE, PRESET = "TF-IDF, tuned", "preset transformer: 128 tokens, layers 5 and 6 trained"
MEANS: dict[str, Arm] = {
    f"mean after layer {layer}, {length} tokens": Mean(length, layer)
    for length, layers in {128: (3, 4), 256: (2, 3)}.items()
    for layer in layers
}
LONGER: dict[str, Arm] = {
    "256 tokens, mean layer over 3 trained": Trained(256, 3, 0, AS_PRESET),
    "128 tokens, mean layer over 4 trained": Trained(128, 4, 0, AS_PRESET),
    "256 tokens, layer 4 and the mean layer trained": Trained(256, 3, 1, AS_PRESET | {"epochs": 1}),
}
IN_BF16 = "the same, trained in bf16"
ARMS: dict[str, Arm] = {
    BASE: Tuned(),
    PRESET: Trained(128, 4, None, AS_PRESET),
    IN_BF16: Trained(128, 4, None, AS_PRESET | {"precision": "bf16"}),
    **MEANS,
    **LONGER,
}
FEW = (300, 600)
PARTS = ("choose", "judge", *(f"few-{count}" for count in FEW))


@dataclass(frozen=True)
class Piece:
    """One arm on one split."""

    part: str
    arm: str
    seed: int

    @property
    def file(self) -> Path:
        """Where it is kept."""
        name = "-".join(self.arm.replace(",", "").replace(":", "").split())
        return FOLDER / "pieces" / self.part / f"{name}-{self.seed}.json"

    def load(self) -> dict[str, Any] | None:
        """What was found, if it was."""
        return read_json(self.file) if self.file.exists() else None

    def measure(self) -> dict[str, Any]:
        """Fit and keep what it says."""
        found = self._chosen_by() if self.part == "choose" else self._judged()
        found |= {"date": time.strftime("%Y-%m-%d"), "load": os.getloadavg()[0]}
        self.file.parent.mkdir(parents=True, exist_ok=True)
        write_json(found, self.file)
        return found

    def _judged(self) -> dict[str, Any]:
        split = split_of(self.seed) if self.part == "judge" else few(self.seed, int(self.part.split("-")[1]))
        fitted = ARMS[self.arm].fit(split, self.seed)
        rows = {"test": split["test"]} | months()
        said = np.array(fitted.predict(np.concatenate(list(rows.values()))))
        cuts = np.cumsum([len(numbers) for numbers in rows.values()])[:-1]
        parts = dict(zip(rows, np.split(said, cuts), strict=True))
        scores = {name: f1_score(labels()[rows[name]], parts[name], average="macro") for name in rows}
        shown = {name: round(float(score), 4) for name, score in scores.items()}
        said_by_name = {name: part.tolist() for name, part in parts.items()}
        return {"f1": shown, "seconds": fitted.seconds, "chosen": fitted.chosen, "said": said_by_name}

    def _chosen_by(self) -> dict[str, Any]:
        """Macro-F1 on the test rows, and on the reference's last month fitted on what was before it."""
        scores = {}
        for name, split in {"test": split_of(self.seed), SAMPLE.chosen_by: by_time(self.seed)}.items():
            said = ARMS[self.arm].fit(split, self.seed).predict(split["test"])
            scores[name] = float(f1_score(labels()[split["test"]], said, average="macro"))
        return {"f1": scores}


def choice(arms: dict[str, Arm]) -> str | None:
    """The one with the highest macro-F1, the mean over both seeds, test and the last month; None if none was tried."""
    scores = {arm: chosen_scores(arm) for arm in arms}
    tried = {arm: np.mean([*score.values()]) for arm, score in scores.items() if score}
    return max(tried, key=lambda arm: float(tried[arm])) if tried else None


def chosen_scores(arm: str) -> dict[str, float]:
    """Its mean macro-F1 over the seeds to choose by, on test and on the last month; empty if not all are there."""
    found = [Piece("choose", arm, seed).load() for seed in CHOOSE]
    if not all(found):
        return {}
    return {name: float(np.mean([one["f1"][name] for one in found if one])) for name in ("test", SAMPLE.chosen_by)}


def pieces(part: str, arms: list[str]) -> Iterator[Piece]:
    """Seed by seed, so that what is there when the time is over is there of all arms."""
    seeds = CHOOSE if part == "choose" else JUDGE
    yield from (Piece(part, arm, seed) for seed in seeds for arm in arms)
