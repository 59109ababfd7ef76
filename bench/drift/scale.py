"""A verdict and its page on a million scored rows: ``python -m bench.drift.scale [--rows N]``.

The rows are pairs of WordNet's glosses with the probe's labels and confidences and embeddings 384 wide; what is timed
is the command a user types, in a process of its own, beside the same on a hundred rows: imports and little more.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bench.corpora import glosses
from bench.drift.__main__ import head
from bench.results import write_section

WIDTH = 384
CHUNK = 100_000
REFERENCE = 10_000
LABELS = 45
# The peak is VmHWM of the process itself: ru_maxrss of a child counts what its parent had before the exec.
COMMAND = """
import atexit, pathlib, runpy
status = pathlib.Path("/proc/self/status")
atexit.register(lambda: pathlib.Path({peak!r}).write_text(status.read_text()))
runpy.run_module("tasks.drift", run_name="__main__", alter_sys=True)
"""


def write(folder: Path, name: str, rows: int, shift: float) -> None:
    """A table and its embeddings."""
    rng = np.random.default_rng([7, rows])
    texts = np.array(glosses().texts, dtype=object)
    first, second = (texts[rng.integers(0, len(texts), rows)] for _ in range(2))
    prediction = rng.integers(0, LABELS, rows)
    label = np.where(rng.random(rows) < 0.9, prediction, rng.integers(0, LABELS, rows))
    columns = {
        "text": [f"{a} {b}" for a, b in zip(first, second, strict=True)],
        "prediction": prediction.astype(str),
        "confidence": rng.beta(8, 2, rows),
        "label": label.astype(str),
    }
    pq.write_table(pa.table(columns), folder / f"{name}.parquet")
    shape = (rows, WIDTH)
    values = np.lib.format.open_memmap(folder / f"{name}.npy", mode="w+", dtype=np.float32, shape=shape)
    for start in range(0, rows, CHUNK):
        part = rng.standard_normal((min(CHUNK, rows - start), WIDTH), dtype=np.float32)
        part[:, 0] += shift
        values[start : start + len(part)] = part
    values.flush()


def timed(folder: Path, current: str) -> tuple[float, float]:
    """Seconds of the command, and its peak memory in GB."""
    files = [item for side in ("reference", current) for item in (folder / f"{side}.parquet", folder / f"{side}.npy")]
    names = ("--reference", "--reference-embeddings", "--current", "--current-embeddings")
    code = COMMAND.format(peak=str(folder / "peak"))
    call = [sys.executable, "-c", code, "--output", folder / "v.json", "--report", folder / "r.html"]
    start = time.monotonic()
    subprocess.run([*call, *(part for pair in zip(names, files, strict=True) for part in pair)], check=True)
    seconds = time.monotonic() - start
    found = re.search(r"VmHWM:\s+(\d+) kB", (folder / "peak").read_text())
    assert found is not None
    return seconds, int(found[1]) * 1024 / 1e9


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(prog="python -m bench.drift.scale", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    given, load = parser.parse_args(), os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        for name, rows, shift in (("reference", REFERENCE, 0.0), ("few", 100, 0.0), ("current", given.rows, 0.2)):
            write(folder, name, rows, shift)
        (few, imports), (many, peak) = timed(folder, "few"), timed(folder, "current")
        verdict = json.loads((folder / "v.json").read_text())
    text = (
        f"{head('python -m bench.drift.scale')} Load average before: {load:.1f}. {given.rows:,} current rows of two "
        f"glosses each, embeddings {WIDTH} wide, labels, against {REFERENCE:,}.\n\n"
        "| | figure | asked |\n|---|---:|---:|\n"
        f"| verdict and page, beyond the same command on 100 rows | {many - few:.0f} s | ≤ 60 s |\n"
        f"| the whole process, imports included | {many:.0f} s | |\n| on 100 rows | {few:.0f} s | |\n"
        f"| memory at its peak, the mapped embeddings included | {peak:.2f} GB | ≤ 2 GB |\n"
        f"| on 100 rows | {imports:.2f} GB | |\n\n"
        f"The verdict: {verdict['reason']}."
    )
    write_section("A drift verdict on a million rows", text)
    print(text)


if __name__ == "__main__":
    main()
