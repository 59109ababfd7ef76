"""The rows that ``bench.drift`` draws, through what others do by default: ``python -m bench.drift.peers [--draws N]``.

Evidently's ``DataDriftPreset`` on text, prediction and confidence; alibi-detect and NannyML, whose pins clash with
ours, in environments of their own under the cache (bench/drift/environments); and the gate. Of the draws the first N
are taken. What was drawn is kept, so that a run that is stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from bench.corpora import CACHE
from bench.drift.__main__ import CURRENT, Cell, head, interval, pool
from bench.results import write_section
from tasks.core.files import write_json
from tasks.drift.rows import Rows

CELLS = {
    "nothing changed, glosses": [Cell("alarms", "glosses", 1_000, current, 0) for current in (100, 300, 1_000)],
    "5 % tweets among mails": [Cell("power", "mails", reference, CURRENT, 0, 0.05) for reference in (1_000, 5_000)],
    "5 % Amazon among films": [Cell("power", "movies", reference, CURRENT, 0, 0.05) for reference in (1_000, 5_000)],
}
WORK = CACHE / "peers"
KEPT = CACHE / "drift_peers.json"
PEERS = {  # an environment each: what is installed, and the script that runs in it
    "alibi.py": ["alibi-detect==0.13.0", "numpy==1.26.4", "transformers==4.57.6", "scikit-learn==1.9.1"],
    "nanny.py": ["nannyml==0.13.1", "pandas==2.3.3", "statsmodels==0.15.0"],
}
GATE = "the gate"
QUIET = {"NML_DISABLE_USAGE_LOGGING": "1"}  # NannyML would report its use to a server of its makers


def frame(rows: Rows) -> pd.DataFrame:
    """What Evidently is given of one side."""
    columns = {"text": rows.text.to_pylist(), "prediction": rows.categories["prediction"].astype(str)}
    return pd.DataFrame({**columns, "confidence": rows.numbers["confidence"]})


def evidently(before: Rows, now: Rows) -> dict[str, bool]:
    """Whether any column drifted, and whether Evidently calls the data set drifted: half the columns are."""
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    kinds = {"text_columns": ["text"], "categorical_columns": ["prediction"], "numerical_columns": ["confidence"]}
    sides = [Dataset.from_pandas(frame(rows), data_definition=DataDefinition(**kinds)) for rows in (now, before)]
    metrics = Report([DataDriftPreset()]).run(*sides).dict()["metrics"]
    count = next(metric["value"]["count"] for metric in metrics if "count" in str(metric["value"]))
    return {"Evidently: any column": count > 0, "Evidently: half the columns": count >= len(kinds) / 2}


def ours(draws: dict[str, tuple[Cell, int]], kept: dict[str, dict[str, bool]]) -> None:
    """Evidently and the gate on the draws that are not known yet."""
    for name, (cell, number) in draws.items():
        if GATE in kept.get(name, {}):
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            kept.setdefault(name, {}).update(evidently(*cell.sides(number)), **{GATE: cell.draw(number)})
        write_json(kept, KEPT)


def elsewhere(script: str, draws: dict[str, tuple[Cell, int]], kept: dict[str, dict[str, bool]]) -> None:
    """A peer in its environment, on the draws that are not known yet."""
    folder = WORK / "draws"
    for name, (cell, number) in draws.items():
        file = folder / f"pool-{cell.data}.npz"
        if not file.exists():
            _write_pool(cell.data, file)
        before, now = cell.places(number)
        np.savez(folder / f"{name}.npz", data=cell.data, before=before, now=now)
    for line in _lines([str(environment(script)), str(Path(__file__).parent / "environments" / script), str(folder)]):
        said = json.loads(line)
        kept.setdefault(said["draw"], {}).update(said["found"])
    write_json(kept, KEPT)
    for file in folder.glob("draw-*.npz"):
        file.unlink()


def _write_pool(data: str, file: Path) -> None:
    rows = pool(data).rows
    file.parent.mkdir(parents=True, exist_ok=True)
    codes = np.unique(rows.categories["prediction"].astype(str), return_inverse=True)[1]
    np.savez(file, embeddings=rows.embeddings, prediction=codes, confidence=rows.numbers["confidence"])


def environment(script: str) -> Path:
    """The interpreter of the peer's environment, which is made when it is not there."""
    folder = WORK / script.removesuffix(".py")
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *PEERS[script]], check=True)
        (folder / "complete").touch()
    return python


def _lines(command: list[str]) -> Iterator[str]:
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, **pipes, text=True, env=os.environ | QUIET) as process:
        assert process.stdout
        yield from (line for line in process.stdout if line.startswith("{"))
    if process.returncode:
        raise SystemExit(f"{command[1]} ended with exit code {process.returncode}")


def section(kept: dict[str, dict[str, bool]], most: int) -> str:
    """What is known, in Markdown."""
    ways = list(dict.fromkeys(way for found in kept.values() for way in found))
    cells = [(what, cell) for what, many in CELLS.items() for cell in many]
    lines = [f"| | {' | '.join(f'{what}, {cell.reference:,} / {cell.current:,}' for what, cell in cells)} |"]
    lines.append("|---|" + "---:|" * len(cells))
    for way in sorted(ways, key=lambda way: (way != GATE, way)):
        shares = []
        for _, cell in cells:
            found = [kept[name][way] for number in range(most) if way in kept.get(name := _name(cell, number), {})]
            rate = f"{np.mean(found):.0%} ({interval(sum(found), len(found))}; {len(found)})" if found else "not drawn"
            shares.append(rate)
        lines.append(f"| {way} | {' | '.join(shares)} |")
    pins = "; ".join(", ".join(pins) for pins in PEERS.values())
    text = (
        f"{head('python -m bench.drift.peers')} Each as it comes, by default: Evidently {_evidently()} in this "
        f"environment, the others in their own ({pins}). How many draws alarm; in brackets the 95 % interval in per "
        "cent, and the draws, which are the first of those of bench.drift. The columns: reference / current rows."
    )
    return "\n".join([text, "", *lines])


def _evidently() -> str:
    from importlib.metadata import version

    return version("evidently")


def _name(cell: Cell, number: int) -> str:
    return f"draw-{cell.data}-{cell.reference}-{cell.current}-{number:04}"


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(prog="python -m bench.drift.peers", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--draws", type=int, default=100, help="of each cell (default: %(default)s)")
    parser.add_argument("--only", choices=("evidently", *PEERS), help="one of them")
    given = parser.parse_args()
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    draws = {
        _name(cell, number): (cell, number) for number in range(given.draws) for many in CELLS.values() for cell in many
    }
    start = time.process_time()
    for script in PEERS:
        if given.only in (script, None):
            elsewhere(script, draws, kept)
    if given.only in ("evidently", None):
        ours(draws, kept)
    print(f"{time.process_time() - start:.0f} s of processor time in this process")
    write_section("What others' drift alarms do on the same rows", section(kept, given.draws))


if __name__ == "__main__":
    main()
