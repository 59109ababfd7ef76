"""What ``bench.finetune`` measures, part by part, and where it keeps it."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from bench import finetune_arms as arms
from bench.finetune_reach import time_to
from bench.finetune_sets import SETS, drawn, half
from tasks.artefacts import write_json
from tasks.finetune import speed

EPOCHS = 3
PARTS = ("choose", "accuracy", "speed", "time")
SETTINGS: dict[str, dict[str, Any]] = {
    "5e-5, Driftline's defaults": {},
    "1e-4, no dropout": {"learning_rate": 1e-4, "dropout": 0.0},
    "2e-4, no dropout": {"learning_rate": 2e-4, "dropout": 0.0},
}
QUICK: dict[str, dict[str, Any]] = {
    f"{frozen} layers frozen, {rate:.0e}": {
        "frozen_layers": frozen, "learning_rate": rate, "dropout": 0.0, "scheduler": "constant_with_warmup"
    }
    for frozen, rate in ((3, 3e-4), (4, 5e-4), (5, 1e-3))
}  # fmt: skip
NEAR = 0.005  # of macro-F1: the quickest of QUICK is the first that comes so near to the best of them
TIMED = {"a": 96, "b": 192}  # rows of an epoch in ``speed``; (c) and (d), which sort rows by length, take the draw's
LOOKS = 5  # an epoch, at the test rows


@dataclass(frozen=True)
class Size:
    """Rows of a draw."""

    train: int
    validation: int
    test: int


SIZES = {"sentences": Size(1024, 64, 600), "mails": Size(384, 64, 600), "news": Size(384, 64, 600)}


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


def plan(parts: list[str], seeds: int, repeats: int) -> Iterator[tuple[str, str, int, str]]:
    """Part, set, seed or repetition, and what is measured, in their order."""
    for part in parts:
        for number in range({"choose": 1, "speed": repeats}.get(part, seeds)):
            for name in SETS:
                whats = {"choose": [*SETTINGS, *QUICK], "accuracy": ["a", "d"], "speed": ["probe", *arms.ARMS]}
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


def data_of(part: str, name: str, number: int) -> arms.Tokenized:
    """The draw: of the half to choose on, or of the other one; ``speed`` draws once."""
    size, choosing = SIZES[name], part == "choose"
    rows = half(SETS[name](), choosing)
    cut = (min(size.train, 512), 8, 400) if choosing else (size.train, size.validation, size.test)
    return arms.tokenized(drawn(rows, *cut, seed=0 if part == "speed" else number))


def one(results: Results, part: str, name: str, number: int, what: str, data: arms.Tokenized) -> dict[str, Any]:
    """One measurement."""
    if part == "choose" and what in QUICK:
        return {"looks": time_to(math.inf, data, number, EPOCHS, QUICK[what], LOOKS)[1]}
    if part == "time":
        return _time(results, name, number, data)
    if part == "speed":
        return _speed(results, number, what, data)
    if what == "a":
        _, model = arms.textbook(data, number, EPOCHS)
    else:  # one check an epoch: more of them change nothing but the time
        how = SETTINGS[what if part == "choose" else settings(results)]
        _, model = arms.driftline(data, number, EPOCHS, how, checks=1)
    said, truth = arms.predicted(model, data.test), data.test.labels.tolist()
    return {"f1": arms.macro_f1(truth, said), "predicted": said, "truth": truth}


def _time(results: Results, name: str, number: int, data: arms.Tokenized) -> dict[str, Any]:
    whole, how = results.get("accuracy", name, number, "a"), quick(results, name)
    if whole is None:
        raise SystemExit(f"`accuracy` comes before `time`: nothing says yet what (a) reaches on {name}, draw {number}")
    seconds, seen = time_to(whole["f1"], data, number, EPOCHS, QUICK[how], LOOKS)
    return {"seconds": seconds, "target": whole["f1"], "best": max(score for _, score in seen), "how": how}


def _speed(results: Results, number: int, what: str, data: arms.Tokenized) -> dict[str, Any]:
    tokens, rows = int(data.train.lengths.sum()), len(data.train)
    if what == "probe":
        matrices = speed.matrices(arms.fresh(data, number))
        device = torch.device(arms.DEVICE)
        rate = speed.matmul_rate(matrices, tokens * arms.BATCH // rows, device, torch.float32, seconds=2.0)
        return {"rate": rate, "tokens_a_text": tokens / rows, "flops_a_text": matrices.flops(tokens, rows) / rows}
    timed = data.first(TIMED.get(what, rows))
    seconds, _ = arms.ARMS[what](timed, number, 1, *([SETTINGS[settings(results)]] if what == "d" else []))
    return {"seconds": seconds, "texts_a_second": len(timed.train) / seconds}


def measure(results: Results, wanted: list[tuple[str, str, int, str]], minutes: float) -> None:
    """What is missing, until the time is over."""
    until, data = time.monotonic() + 60 * minutes, {}
    for part, name, number, what in wanted:
        if time.monotonic() > until:
            return
        key = (part, name, number)
        if key not in data:
            data = {key: data_of(*key)}
        found = one(results, part, name, number, what, data[key])
        results.put(part, name, number, what, found)
        shown = {key: value for key, value in found.items() if key not in ("predicted", "truth")}
        print(f"{part}, {name}, {number}, {what}: {shown}", flush=True)
