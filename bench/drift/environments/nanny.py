"""NannyML on the draws that bench.drift.peers left, in an environment of its own: ``python nanny.py FOLDER``.

Its calculators as they come: the univariate one on prediction and confidence (Jensen-Shannon distance, thresholds
constant), and data reconstruction by PCA on the embeddings (three standard deviations over the reference's chunks). A
chunk is as long as the current window. Prints a line of JSON for each draw.
"""

import json
import sys
import warnings
from pathlib import Path

import nannyml
import numpy as np
import pandas as pd

warnings.simplefilter("ignore")


def alarms(found: object) -> bool:
    """Whether any of the current rows' chunks alarms."""
    frame = found.filter(period="analysis").to_df()
    return bool(frame.loc[:, [column for column in frame.columns if column[-1] == "alert"]].to_numpy(bool).any())


def main(folder: Path) -> None:
    """Every draw there is."""
    for file in sorted(folder.glob("draw-*.npz")):
        draw = np.load(file)
        pool = np.load(folder / f"pool-{draw['data']}.npz")
        values = pd.DataFrame(pool["embeddings"]).add_prefix("axis ")
        values["prediction"], values["confidence"] = pool["prediction"].astype(str), pool["confidence"]
        before, now = (values.iloc[draw[name]].reset_index(drop=True) for name in ("before", "now"))
        size = {"chunk_size": len(now)}
        one = nannyml.UnivariateDriftCalculator(
            column_names=["prediction", "confidence"], treat_as_categorical=["prediction"], **size
        )
        axes = [name for name in values if name.startswith("axis ")]
        other = nannyml.DataReconstructionDriftCalculator(column_names=axes, **size)
        found = {
            "NannyML: univariate, prediction and confidence": alarms(one.fit(before).calculate(now)),
            "NannyML: reconstruction, embeddings": alarms(other.fit(before).calculate(now)),
        }
        print(json.dumps({"draw": file.stem, "found": found}), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
