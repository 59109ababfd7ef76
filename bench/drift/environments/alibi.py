"""alibi-detect on the draws that bench.drift.peers left, in an environment of its own: ``python alibi.py FOLDER``.

Its detectors as they come, p-value 0.05 and its own Bonferroni correction: KSDrift on the embeddings; TabularDrift on
prediction and confidence. MMD, which needs torch or tensorflow, is left out. Prints a line of JSON for each draw.
"""

import json
import sys
from pathlib import Path

import numpy as np
from alibi_detect.cd import KSDrift, TabularDrift


def main(folder: Path) -> None:
    """Every draw there is."""
    for file in sorted(folder.glob("draw-*.npz")):
        draw = np.load(file)
        pool = np.load(folder / f"pool-{draw['data']}.npz")
        before, now = draw["before"], draw["now"]
        found = {}
        vectors = pool["embeddings"]
        said = KSDrift(vectors[before], p_val=0.05).predict(vectors[now])["data"]["is_drift"]
        found["alibi-detect: KSDrift, embeddings"] = bool(said)
        # its own count of the categories looks at the reference alone and stops at one that neither side has
        rows = np.r_[before, now]
        known, codes = np.unique(pool["prediction"][rows], return_inverse=True)
        columns = np.column_stack([codes, pool["confidence"][rows]]).astype(np.float64)
        detector = TabularDrift(columns[: len(before)], p_val=0.05, categories_per_feature={0: len(known)})
        said = detector.predict(columns[len(before) :])["data"]["is_drift"]
        found["alibi-detect: TabularDrift, prediction and confidence"] = bool(said)
        print(json.dumps({"draw": file.stem, "found": found}), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
