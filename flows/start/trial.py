"""The whole pipeline on few rows: ``driftline trial`` shows in minutes what a run would stumble over in an hour.

Every stage of dvc.yaml runs in this one process, in the folder ``.trial``, on a sample of both windows' rows. DVC is
not told, and nothing outside the folder is written. What a model of so few rows is worth says nothing of the real one.
"""

from __future__ import annotations

import importlib
import shlex
import shutil
import time
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from flows.pipeline.graph import Dag
from tasks import ingest, report
from tasks.core import params, paths
from tasks.core.cli import FINE, application, exit_code
from tasks.core.errors import UserError
from tasks.core.files import private_folder, write_json
from tasks.core.tables import write_table
from tasks.dataset import layout
from tasks.dataset.windows import load as load_windows
from tasks.ingest import windows
from tasks.ingest.__main__ import read_window
from tasks.preset import change

FOLDER = Path(".trial")
ROWS = 200
CURRENT_SHARE = 0.25
MIN_OF_A_LABEL = 4
SHORTER = {
    "tokenize": {"max_length": 64},
    "pretrain": {"epochs": 0},
    "finetune": {"epochs": 1},
    "explain": {"mistakes": 2},
}
"""What is laid over params.yaml."""
READ_BY_STAGES = ("behaviour.yaml", "measures.py", "environment.json", "data/released.csv", "dvc.yaml")


@dataclass(frozen=True)
class Tried:
    """What became of a trial."""

    rows: int
    stages: list[str]
    skipped: list[str]
    """Stages of your own whose command is no ``python -m``."""
    seconds: float
    page: Path
    """The report, from the top of the repository."""


def trial(rows: int = ROWS) -> Tried:
    """Run the pipeline on about so many rows. UserError names the stage that refuses, in that stage's words."""
    started = time.monotonic()
    commands = _commands()
    shutil.rmtree(FOLDER, ignore_errors=True)
    private_folder(FOLDER)
    taken = _sample(rows)
    _copy_inputs(taken)
    done, skipped = [], []
    with chdir(FOLDER):
        for number, (stage, command) in enumerate(commands.items(), 1):
            words = shlex.split(command)
            if words[:2] != ["python", "-m"]:
                skipped.append(stage)
                continue
            print(f"[{number}/{len(commands)}] {stage}", flush=True)
            _run(stage, words[2], words[3:])
            done.append(stage)
    return Tried(taken, done, skipped, time.monotonic() - started, FOLDER / report.INDEX)


def _commands() -> dict[str, str]:
    """The commands of the stages that follow ``ingest``, by stage, in order."""
    dag = Dag()
    return {name: dag.command(name) for name in dag.order() if not name.startswith("ingest@")}


def _sample(rows: int) -> int:
    """Write a sample of each window's rows, as ``ingest`` would write all of them; gives how many there are."""
    section, ranges, taken = params.load(ingest.Params, "ingest"), load_windows(), 0
    shares = {"reference": 1 - CURRENT_SHARE, "current": CURRENT_SHARE}
    for window in paths.WINDOWS:
        table, figures = read_window(windows.plan(window, ranges, section))
        few = table.take(pa.array(spread(table["label"].to_pylist(), round(rows * shares[window])), pa.int64()))
        print(f"{window}: {len(few)} of {len(table)} rows", flush=True)
        taken += len(few)
        with chdir(FOLDER):
            write_table(few, layout.window(window).raw)
            write_json(figures | {"rows": len(few)}, paths.metrics("ingest", window))
    return taken


def spread(labels: list[str | None], count: int) -> list[int]:
    """Places of about ``count`` rows, in order: of each label evenly over its rows, and no label left out while
    there is room."""
    if len(labels) <= count:
        return list(range(len(labels)))
    names, codes = np.unique(np.array([f"={label}" if label else "" for label in labels]), return_inverse=True)
    chosen: list[int] = []
    for code in range(len(names)):
        places = np.flatnonzero(codes == code)
        quota = max(min(MIN_OF_A_LABEL, len(places)), round(count * len(places) / len(labels)))
        chosen += places[np.unique(np.linspace(0, len(places) - 1, quota).round().astype(int))].tolist()
    return sorted(chosen[:count] if len(names) * MIN_OF_A_LABEL > count else chosen)


def _copy_inputs(rows: int) -> None:
    """What the stages read besides rows: params.yaml, made shorter, the files of one's own, a model's folder."""
    card = params.load(report.Params, "report").card
    shutil.copy(paths.PARAMS, FOLDER / paths.PARAMS)
    change(FOLDER / paths.PARAMS, SHORTER | {"report": {"card": {"name": f"{card.name}: a trial on {rows} rows"}}})
    model = params.general().model.name
    for name in (*READ_BY_STAGES, model or ""):
        source, target = Path(name), FOLDER / name
        if not name or source.is_absolute() or not source.exists():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(source.absolute(), target_is_directory=source.is_dir())


def _run(stage: str, module: str, arguments: list[str]) -> None:
    """The stage's own command in this process, where every import is made once."""
    found: Any = importlib.import_module(module)
    if hasattr(found, "__path__"):
        found = importlib.import_module(f"{module}.__main__")
    if exit_code(application(found.main), arguments, f"python -m {module}") != FINE:
        raise UserError(f"the trial ended at {stage}: settle what it says above, then run `driftline trial` again")
