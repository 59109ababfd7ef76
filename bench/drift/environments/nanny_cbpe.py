"""NannyML's CBPE on the watches that bench.alarms kept, in an environment of its own: ``python nanny_cbpe.py FOLDER…``.

As it comes: the estimated accuracy of each chunk against thresholds three standard deviations about the reference's,
ten chunks of the reference, the window in chunks as long. Prints a line of JSON for each window.
"""

import json
import sys
import warnings
from pathlib import Path

import nannyml
import numpy as np
import pandas as pd

warnings.simplefilter("ignore")
CHUNKS = 10


def frame(kept: dict, side: str, classes: list) -> pd.DataFrame:
    """What NannyML is given of one side."""
    chances = kept[f"{side}, chances"].astype(np.float64)
    chances /= chances.sum(axis=1, keepdims=True)
    found = pd.DataFrame({"truth": kept[f"{side}, labels"], "answer": np.array(classes)[chances.argmax(axis=1)]})
    if len(classes) == 2:
        return (found == classes[1]).astype(int).assign(chance=chances[:, 1])
    return found.assign(**{f"chance of {name}": chances[:, i] for i, name in enumerate(classes)})


def alerts(kept: dict, windows: list, classes: list) -> dict:
    """The share of each window's chunks that alert."""
    before = frame(kept, "reference", classes)
    before = before[before["truth"].isin([0, 1] if len(classes) == 2 else classes)]
    size = max(len(before) // CHUNKS, 1)
    kinds = {"problem_type": "classification_binary", "y_pred_proba": "chance"}
    if len(classes) > 2:
        chances = {name: f"chance of {name}" for name in classes}
        kinds = {"problem_type": "classification_multiclass", "y_pred_proba": chances}
    model = nannyml.CBPE(y_pred="answer", y_true="truth", metrics=["accuracy"], chunk_size=size, **kinds).fit(before)
    found = {}
    for window in windows:
        said = model.estimate(frame(kept, window, classes)).filter(period="analysis").to_df()
        found[window] = float(said["accuracy", "alert"].astype(bool).mean())
    return found


def main(folders: list[Path]) -> None:
    """Every watch there is."""
    for file in sorted(file for folder in folders for file in folder.glob("*.npz")):
        with np.load(file) as opened:
            kept = {name: opened[name] for name in opened.files}
        windows = [name.removesuffix(", rows") for name in kept if name.endswith(", rows")]
        windows.remove("reference")
        try:
            said = {"alerts": alerts(kept, windows, kept["classes"].tolist())}
        except Exception as error:  # noqa: BLE001, what it cannot be asked is part of what is measured
            said = {"error": f"{type(error).__name__}: {error}"[:200]}
        print(json.dumps({"watch": f"{file.parent.name}/{file.stem}", **said}), flush=True)


if __name__ == "__main__":
    main([Path(each) for each in sys.argv[1:]])
