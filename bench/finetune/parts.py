"""What ``bench.finetune`` measures, part by part, and where it keeps it."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

from bench.finetune import arms as arms
from bench.finetune.reach import time_to
from bench.finetune.sets import SETS, drawn, half
from tasks.core.files import write_json
from tasks.finetune import speed

EPOCHS = 3
PARTS = ("choose", "train", "time")
SETTINGS: dict[str, dict[str, Any]] = {
    "5e-5, Driftline's defaults": {},
    "1e-4, no dropout": {"learning_rate": 1e-4, "dropout": 0.0},
    "2e-4, no dropout": {"learning_rate": 2e-4, "dropout": 0.0},
    "1e-4, no dropout, no probe": {"learning_rate": 1e-4, "dropout": 0.0, "probe": False},
    "2e-4, no dropout, no probe": {"learning_rate": 2e-4, "dropout": 0.0, "probe": False},
}
QUICK: dict[str, dict[str, Any]] = {
    f"{frozen} layers frozen, {rate:.0e}, {epochs} epochs": {
        "frozen_layers": frozen, "learning_rate": rate, "dropout": 0.0, "epochs": epochs
    }
    for frozen, rate, epochs in ((0, 2e-4, 2), (2, 3e-4, 2), (4, 5e-4, 3))
}  # fmt: skip
NEAR = 0.005  # of macro-F1: the quickest of QUICK is the first that comes so near to the best of them
LOOKS = 5  # an epoch, at the test rows


@dataclass(frozen=True)
class Size:
    """Rows of a draw."""

    train: int
    validation: int
    test: int


SIZES = {"sentences": Size(1024, 64, 3000), "mails": Size(384, 64, 1500), "news": Size(384, 64, 1500)}
CHOOSING = 600  # rows that settings are chosen by


class Results:
    """What was measured; written after every measurement."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.all: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}

    def get(self, part: str, name: str, number: int, what: str) -> dict[str, Any] | None:
        """One measurement."""
        found: dict[str, Any] | None = self.all.get(f"{part}/{name}/{number}/{what}")
        return found

    def put(self, part: str, name: str, number: int, what: str, found: dict[str, Any]) -> None:
        """Keep a measurement, and how it was made."""
        about = {"threads": torch.get_num_threads(), "load": os.getloadavg()[0], "date": time.strftime("%Y-%m-%d")}
        self.all[f"{part}/{name}/{number}/{what}"] = found | about
        self.file.parent.mkdir(parents=True, exist_ok=True)
        write_json(self.all, self.file)


def plan(
    parts: list[str], draws: int, trained: Iterable[str] = tuple(arms.ARMS)
) -> Iterator[tuple[str, str, int, str]]:
    """Part, set, draw, and what is measured, in their order."""
    for part in parts:
        for number in range(1 if part == "choose" else draws):
            for name in SETS:
                whats = {"choose": [*SETTINGS, *QUICK], "train": ["probe", *trained]}
                yield from ((part, name, number, what) for what in whats.get(part, ["time"]))


def settings(results: Results) -> str:
    """The name of (d)'s: the highest macro-F1 on average over the sets that all were tried on."""
    found = {what: chosen_by(results, what) for what in SETTINGS}
    common = set.intersection(*(set(by_set) for by_set in found.values()))
    return max(SETTINGS, key=lambda what: sum(score for name, score in found[what].items() if name in common))


def chosen_by(results: Results, what: str) -> dict[str, float]:
    """Macro-F1 by set of one of SETTINGS."""
    found = {name: results.get("choose", name, 0, what) for name in SETS}
    return {name: one["f1"] for name, one in found.items() if one}


def quick(results: Results, name: str) -> str:
    """The name of what is used for the time to (a)'s macro-F1: the first that comes near the best of QUICK."""
    looks = {what: (results.get("choose", name, 0, what) or {"looks": []})["looks"] for what in QUICK}
    best = max((score for seen in looks.values() for _, score in seen), default=0.0)
    near = {what: [at for at, score in seen if score >= best - NEAR] for what, seen in looks.items()}
    return min(QUICK, key=lambda what: min(near[what], default=math.inf))


@lru_cache(1)
def data_of(name: str, number: int, choosing: bool = False) -> arms.Tokenized:
    """The draw: of the half to choose on, or of the other one."""
    size = SIZES[name]
    cut = (size.train, 8, CHOOSING) if choosing else (size.train, size.validation, size.test)
    return arms.tokenized(drawn(half(SETS[name](), choosing), *cut, seed=number))


def one(results: Results, threads: int, part: str, name: str, number: int, what: str) -> dict[str, Any]:
    """One measurement."""
    torch.set_num_threads(threads)
    data = data_of(name, number, part == "choose")
    if part == "time":
        return _time(results, name, number, data)
    if part == "choose" and what in QUICK:
        return {"looks": time_to(math.inf, data, number, QUICK[what], LOOKS)[1]}
    if what == "probe":
        return _probe(data)
    if part == "choose":  # one check an epoch: more of them change nothing but the time
        seconds, model = arms.driftline(data, number, EPOCHS, SETTINGS[what], checks=1)
    else:
        how = [SETTINGS[settings(results)]] if what == "d" else []
        seconds, model = arms.ARMS[what](data, number, EPOCHS, *how)
    said, truth = arms.predicted(model, data.test), data.test.labels.tolist()
    speed = {"seconds": seconds, "texts_a_second": EPOCHS * len(data.train) / seconds}
    return speed | {"f1": arms.macro_f1(truth, said), "predicted": said, "truth": truth}


def _time(results: Results, name: str, number: int, data: arms.Tokenized) -> dict[str, Any]:
    whole, how = results.get("train", name, number, "a"), quick(results, name)
    if whole is None:
        raise SystemExit(f"`train` comes before `time`: nothing says yet what (a) reaches on {name}, draw {number}")
    seconds, seen = time_to(whole["f1"], data, number, QUICK[how], LOOKS)
    best = max(score for _, score in seen)
    return {"seconds": seconds, "target": whole["f1"], "textbook": whole["seconds"], "best": best, "how": how}


def _probe(data: arms.Tokenized) -> dict[str, Any]:
    """The rate of matrix multiplication over as many tokens as a batch has, and what of it a text takes."""
    tokens, rows = int(data.train.lengths.sum()), len(data.train)
    matrices = speed.matrices(arms.fresh(data, 0))
    device = torch.device(arms.DEVICE)
    rate = speed.matmul_rate(matrices, tokens * arms.BATCH // rows, device, torch.float32, seconds=2.0)
    return {"rate": rate, "tokens_a_text": tokens / rows, "flops_a_text": matrices.flops(tokens, rows) / rows}


def measure(results: Results, wanted: list[tuple[str, str, int, str]], minutes: float) -> None:
    """What is missing, until the time is over; every arm in a process of its own, so that none leaves the next a memory
    that is laid out already."""
    until, threads = time.monotonic() + 60 * minutes, torch.get_num_threads()
    with ExitStack() as stack:
        processes: dict[str, ProcessPoolExecutor] = {}
        for part, name, number, what in wanted:
            if time.monotonic() > until:
                return
            owner = what if part == "train" else "d"
            if owner not in processes:
                processes[owner] = stack.enter_context(ProcessPoolExecutor(1, mp_context=get_context("spawn")))
            found = processes[owner].submit(one, results, threads, part, name, number, what).result()
            results.put(part, name, number, what, found)
            shown = {key: value for key, value in found.items() if key not in ("predicted", "truth")}
            print(f"{part}, {name}, {number}, {what}: {shown}", flush=True)
