"""alibi-detect on the watches that bench.alarms kept, in an environment of its own: ``python THIS FOLDER…``.

TabularDrift as it comes, p-value 0.05 and its own Bonferroni correction, on each row's predicted class and its
probability. Prints a line of JSON for each watch.
"""

import json
import sys
from pathlib import Path

import numpy as np
from alibi_detect.cd import TabularDrift


def columns(chances: np.ndarray) -> np.ndarray:
    """The predicted class and its probability, [rows, 2]."""
    return np.column_stack([chances.argmax(axis=1), chances.max(axis=1)]).astype(np.float64)


def alarms(kept: dict) -> dict:
    """Whether each window drifted."""
    windows = [name.removesuffix(", rows") for name in kept if name.endswith(", rows")]
    windows.remove("reference")
    found = {}
    for window in windows:
        before, now = (columns(kept[f"{side}, chances"]) for side in ("reference", window))
        # its own count of the categories looks at the reference alone and stops at one that neither side has
        codes = np.unique(np.r_[before[:, 0], now[:, 0]], return_inverse=True)[1]
        before[:, 0], now[:, 0] = codes[: len(before)], codes[len(before) :]
        detector = TabularDrift(before, p_val=0.05, categories_per_feature={0: int(codes.max()) + 1})
        found[window] = bool(detector.predict(now)["data"]["is_drift"])
    return found


def main(folders: list[Path]) -> None:
    """Every watch there is."""
    for file in sorted(file for folder in folders for file in folder.glob("*.npz")):
        with np.load(file) as opened:
            kept = {name: opened[name] for name in opened.files}
        print(json.dumps({"watch": f"{file.parent.name}/{file.stem}", "alarms": alarms(kept)}), flush=True)


if __name__ == "__main__":
    main([Path(each) for each in sys.argv[1:]])
