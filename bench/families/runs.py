"""A preset through the real stages, in a clone of its own, as its user runs it: ``driftline preset``, ``dvc repro``.

The clone lies under ``bench.corpora.CACHE`` and is of what is committed here. Its DVC cache lasts, so that a stage that
was finished is not run again, and a training that was interrupted goes on from its checkpoint; what its earlier tries
took is added up.
"""

from __future__ import annotations

import math
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from ruamel.yaml import YAML

from bench.corpora import CACHE
from tasks.core import paths
from tasks.core.files import read_json, write_json
from tasks.core.tables import read_table
from tasks.dataset import layout

TOP = Path(__file__).parents[2]
FOLDER = CACHE / "families"
CLONE = FOLDER / "clone"
MAILS, COUNT, SEED = "data/mails.parquet", 2000, 7
SHARES = {"validation": 0.15, "test": 0.3}
TRAINED = ("pretrain", "finetune")  # the stages whose seconds count as training
JUDGED = "evaluate"
OVERLAY = "bench"  # the preset that the bench lays over what is measured


class TimeIsUpError(Exception):
    """A stage was interrupted; call again to go on."""


@dataclass
class Spent:
    """Seconds, over all tries."""

    wall: float = 0.0
    cores: float = 0.0


@dataclass
class Run:
    """A preset's record, kept in a file."""

    name: str
    overlay: Mapping[str, Any]
    spent: dict[str, Spent] = field(default_factory=dict)
    figures: dict[str, Any] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """Of its record and its classifier."""
        return FOLDER / self.name

    @property
    def classifier(self) -> Path:
        """What it trained."""
        return self.folder / "classifier"

    @property
    def pretrained(self) -> Path:
        """What its fine-tuning began at, if that was pre-trained here."""
        return self.folder / "pretrained"

    @property
    def test(self) -> Path:
        """The rows it was tested on."""
        return self.folder / "test.parquet"

    def key(self) -> list[Any]:
        """Another one is measured anew."""
        preset = TOP / "presets" / f"{self.name}.yaml"
        return [preset.read_text(encoding="utf-8") if preset.exists() else "", dict(self.overlay)]

    def load(self) -> Run:
        """With what was found before, if it was for the same preset."""
        file = self.folder / "run.json"
        kept = read_json(file) if file.exists() else {}
        if kept.get("key") == self.key():
            self.spent = {stage: Spent(**spent) for stage, spent in kept["spent"].items()}
            self.figures = kept["figures"]
        return self

    def save(self) -> None:
        """Write the record."""
        self.folder.mkdir(parents=True, exist_ok=True)
        spent = {stage: vars(found) for stage, found in self.spent.items()}
        write_json({"key": self.key(), "spent": spent, "figures": self.figures}, self.folder / "run.json")


def overlay(name: str, threads: int, cuts: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """What is laid over a preset: the mails where it brings no data, one number of threads, what ``cuts`` says."""
    preset = TOP / "presets" / f"{name}.yaml"
    own_data = preset.exists() and "ingest" in YAML(typ="safe").load(preset.read_text(encoding="utf-8"))
    laid: dict[str, Any] = {} if own_data else {"ingest": {"source": MAILS}, "split": dict(SHARES)}
    laid |= {section: {"threads": threads} for section in ("pretrain", "finetune", "score")}
    for section, changes in cuts.items():
        laid[section] = laid.get(section, {}) | dict(changes)
    return laid


def splits() -> dict[str, pa.Table]:
    """The tables of the mails that every preset of texts is trained and judged on."""
    kept = FOLDER / f"splits-{COUNT}-{SEED}-{'-'.join(map(str, SHARES.values()))}"
    if not kept.exists():
        lay(Run("default", overlay("default", 2, {})))
        repro("split", math.inf, alone=False)
        shutil.copytree(CLONE / layout.SPLITS, kept)
    return {name: read_table(kept / f"{name}.parquet") for name in ("train", "validation", "test")}


def measure(run: Run, until: float) -> None:
    """Train and judge, unless that was done before; raises TimeIsUpError at ``until`` (of time.monotonic)."""
    if run.figures:
        return
    lay(run)
    repro("tokenize", until, alone=False)
    for stage in TRAINED:
        repro(stage, until, spent=run.spent.setdefault(stage, Spent()), save=run.save)
    repro(JUDGED, until, alone=False)
    run.figures = {name: read_json(CLONE / paths.metrics(name)) for name in (*TRAINED, JUDGED, "split")}
    for made, kept in ((paths.CLASSIFIER, run.classifier), (paths.PRETRAINED, run.pretrained)):
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(CLONE / made, kept)
    shutil.copyfile(CLONE / layout.split("test"), run.test)
    run.save()


def lay(run: Run) -> None:
    """The clone at what is committed here, with the mails, the preset and the overlay."""
    if not CLONE.exists():
        _call("git", "clone", "--quiet", str(TOP), str(CLONE), at=TOP)
    _call("git", "fetch", "--quiet", str(TOP), "HEAD")
    _call("git", "checkout", "--quiet", "--force", "--detach", "FETCH_HEAD")
    pq.write_table(drawn(COUNT, SEED), CLONE / MAILS)
    _call("git", "add", "--force", MAILS)
    with (CLONE / "presets" / f"{OVERLAY}.yaml").open("w", encoding="utf-8") as file:
        YAML().dump(dict(run.overlay), file)
    named = [run.name] if (CLONE / "presets" / f"{run.name}.yaml").exists() else []
    for preset in (*named, OVERLAY):
        _call(sys.executable, "-m", "driftline", "preset", preset)


def drawn(count: int, seed: int) -> pa.Table:
    """So many of the committed mails from before September 2002, as the sample has them."""
    table = pq.read_table(TOP / "data/samples/spamassassin.parquet")
    until = np.datetime64("2002-09-01", "us").astype(object)
    there = pc.less(table["received_at"], pc.assume_timezone(until, "UTC")).fill_null(False)
    table = table.filter(there)
    return table.take(np.sort(np.random.default_rng(seed).permutation(len(table))[:count]))


def repro(stage: str, until: float, *, alone: bool = True, spent: Spent | None = None, save: Any = None) -> None:
    """``dvc repro`` of that stage, ``alone`` or with what leads to it; what it takes is added to ``spent``."""
    began, cores = time.monotonic(), _cores()
    command = ["dvc", "repro", *(["--single-item"] if alone else []), stage]
    process = subprocess.Popen(command, cwd=CLONE, start_new_session=True)
    try:
        code = process.wait(None if until == math.inf else max(0.0, until - began))
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        os.killpg(process.pid, signal.SIGINT)  # the stage writes a checkpoint, and DVC waits for it
        process.wait()
        raise TimeIsUpError(stage) from None
    finally:
        if spent is not None:
            spent.wall += time.monotonic() - began
            spent.cores += _cores() - cores
            save()
    if code:
        raise SystemExit(f"dvc repro {stage} failed in {CLONE}")


def _cores() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _call(*command: str, at: Path = CLONE) -> None:
    subprocess.run(command, cwd=at, check=True)
