"""Ways to fine-tune, side by side: ``python -m bench.finetune [--minutes 9]``.

(a) the textbook loop, (b) ``Trainer`` as it comes, (c) ``Trainer`` as a careful user sets it, (d) Driftline with every
layer trained and validation looked at every tenth of an epoch; and the time that Driftline, spending as little as it
can, takes to reach the macro-F1 at which (a) ends. All from the same weights (MiniLM-L6) on the same token ids of at
most 128, on the mails and on two sets that are fetched through pip. Seconds are those of training, checks included,
without loading the weights and without the final test.

Each result is kept in a file beside the fetched sets, so that a run that was ended goes on: run it again until it says
that nothing is missing. The section of bench/RESULTS.md is written from whatever is there.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from bench.finetune_arms import (
    ARMS,
    BATCH,
    CHECKED,
    DEVICE,
    EPOCHS,
    LONGEST,
    Tokenized,
    fresh,
    macro_f1,
    time_to,
    tokenized,
)
from bench.finetune_sets import CACHE, SETS, drawn
from bench.results import write_section
from tasks.artefacts import write_json
from tasks.finetune import record, speed
from tasks.measures import cells, interval

HEADING = "Fine-tuning beside a textbook loop and Trainer"
FROZEN = {"sentences": 3, "mails": 4, "news": 3}  # layers kept as they are where time to (a)'s macro-F1 is measured
GOAL = {"sentences": 8.0, "mails": 3.0}


@dataclass(frozen=True)
class Size:
    """Rows of a draw."""

    train: int
    validation: int
    test: int

    @property
    def key(self) -> str:
        """As results are filed under."""
        return f"{self.train}-{self.validation}-{self.test}"


class Results:
    """What was measured, by set, seed and arm; written after every measurement."""

    def __init__(self, file: Path, size: Size) -> None:
        self.file, self.size = file, size
        self.all: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}

    def of(self, name: str, seed: int) -> dict[str, Any]:
        """The arms' results of one draw."""
        found: dict[str, Any] = self.all.setdefault(f"{self.size.key}/{name}/{seed}", {})
        return found

    def save(self) -> None:
        """Write the file."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        write_json(self.all, self.file)


def missing(results: Results, seeds: int) -> list[tuple[int, str, str]]:
    """What is still to be measured, in its order: the arms of one draw after each other."""
    wanted = ["probe", *ARMS, "time"]
    return [
        (seed, name, arm)
        for seed in range(seeds)
        for name in SETS
        for arm in wanted
        if arm not in results.of(name, seed)
    ]


def measure(results: Results, seeds: int, seconds: float) -> None:
    """What is missing, until the time is over."""
    until, data = time.monotonic() + seconds, {}
    for seed, name, arm in missing(results, seeds):
        if time.monotonic() > until:
            return
        if (name, seed) not in data:
            size = results.size
            data = {(name, seed): tokenized(drawn(SETS[name](), size.train, size.validation, size.test, seed))}
        found = results.of(name, seed)
        found[arm] = one(arm, data[name, seed], seed, FROZEN[name], found)
        found["load"] = max(found.get("load", 0.0), os.getloadavg()[0])
        results.save()
        shown = {key: value for key, value in found[arm].items() if key not in ("predicted", "truth")}
        print(f"{name}, seed {seed}, {arm}: {shown}", flush=True)


def one(arm: str, data: Tokenized, seed: int, frozen: int, found: dict[str, Any]) -> dict[str, Any]:
    """One measurement."""
    if arm == "probe":
        model, tokens = fresh(data, seed), int(data.train.lengths.sum())
        batch = max(1, tokens * BATCH // len(data.train))
        matrices = speed.matrices(model)
        rate = speed.matmul_rate(matrices, batch, torch.device(DEVICE), torch.float32, seconds=3.0)
        flops = matrices.flops(tokens, len(data.train))
        return {"rate": rate, "tokens": tokens, "flops": flops, "truth": data.test.labels.tolist()}
    if arm == "time":
        target = macro_f1(found["probe"]["truth"], found["a"]["predicted"])
        reached, best = time_to(target, data, seed, frozen)
        return {"seconds": reached, "target": target, "best": best}
    done = ARMS[arm](data, seed)
    return {
        "seconds": done.seconds,
        "predicted": done.predicted,
        "f1": macro_f1(data.test.labels.tolist(), done.predicted),
    }


def complete(results: Results, name: str, seeds: int) -> list[dict[str, Any]]:
    """The draws of a set that every arm has been measured on."""
    return [found for seed in range(seeds) if {"probe", *ARMS, "time"} <= (found := results.of(name, seed)).keys()]


def spread(values: list[float], digits: int = 1) -> str:
    """Median, and the range where there are several."""
    middle = f"{statistics.median(values):.{digits}f}"
    return middle if len(values) == 1 else f"{middle} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def difference(draws: list[dict[str, Any]]) -> tuple[float, list[float]]:
    """(d) − (a) in macro-F1 over the test rows of all draws, and its 95 % interval (paired bootstrap)."""
    truth, a, d = (
        [str(label) for part in column for label in part]
        for column in zip(
            *((f["probe"]["truth"], f["a"]["predicted"], f["d"]["predicted"]) for f in draws), strict=True
        )
    )
    found = cells(sorted({*truth, *a, *d}), truth, a, d)
    counts = found.resampled(seed=0)
    gains = found.macro_f1(1, counts) - found.macro_f1(0, counts)
    whole = found.counts[None]
    return float((found.macro_f1(1, whole) - found.macro_f1(0, whole))[0]), interval(gains)


def lines(results: Results, seeds: int) -> Iterator[str]:
    """The tables of the section."""
    yield "| set | tokens a text | draws | arm | texts/s | of (a) | of (c) | macro-F1 |"
    yield "|---|---:|---:|---|---:|---:|---:|---:|"
    texts = results.size.train * EPOCHS
    for name in SETS:
        draws = complete(results, name, seeds)
        for arm in ARMS if draws else ():
            rates, ratios = [texts / found[arm]["seconds"] for found in draws], {}
            for other in "ac":
                ratios[other] = spread([found[other]["seconds"] / found[arm]["seconds"] for found in draws], 2)
            tokens = statistics.median(found["probe"]["tokens"] / results.size.train for found in draws)
            scores = spread([found[arm]["f1"] for found in draws], 3)
            first = f"| {name} | {tokens:.0f} | {len(draws)} " if arm == "a" else "| | | "
            yield f"{first}| ({arm}) | {spread(rates)} | {ratios['a']} | {ratios['c']} | {scores} |"
    yield ""
    yield "| set | (d): share of the probe's rate | (d) − (a) in macro-F1, points | time to (a)'s macro-F1 |"
    yield "|---|---:|---:|---:|"
    for name in SETS:
        if draws := complete(results, name, seeds):
            yield f"| {name} | {_share(draws)} | {_gain(draws)} | {_time(draws, GOAL.get(name))} |"


def _share(draws: list[dict[str, Any]]) -> str:
    shares = [
        100 * found["probe"]["flops"] * EPOCHS / found["d"]["seconds"] / found["probe"]["rate"] for found in draws
    ]
    return f"{spread(shares, 0)} % of {spread([found['probe']['rate'] / 1e9 for found in draws], 0)} GFLOP/s"


def _gain(draws: list[dict[str, Any]]) -> str:
    gain, (low, high) = difference(draws)
    words = "above −0.5" if 100 * low > -0.5 else f"short of −0.5 by {-0.5 - 100 * low:.1f}"
    return f"{100 * gain:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]: {words}"


def _time(draws: list[dict[str, Any]], goal: float | None) -> str:
    reached = [found["time"]["seconds"] / found["a"]["seconds"] for found in draws if found["time"]["seconds"]]
    never = [found["time"]["target"] - found["time"]["best"] for found in draws if not found["time"]["seconds"]]
    words = [f"1/{1 / statistics.median(reached):.1f} of (a)'s" if reached else ""]
    words += [f"not reached in {len(never)} of {len(draws)}, by {100 * max(never):.1f} points at most"] if never else []
    words += [f"asked: 1/{goal:.0f}"] if goal else []
    return "; ".join(word for word in words if word)


def text(results: Results, seeds: int) -> str:
    """The section, in Markdown."""
    size = results.size
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "transformers", "accelerate"))
    load = max((found.get("load", 0.0) for found in results.all.values()), default=0.0)
    checks = min(10, -(-size.train // BATCH))
    where = (
        f"`python -m bench.finetune`, {time.strftime('%Y-%m-%d')}, {platform.machine()}, {record.host()['cpu']}, "
        f"{torch.get_num_threads()} threads; {packages}; load average at most {load:.1f}. MiniLM-L6, texts cut at "
        f"{LONGEST} tokens, {EPOCHS} epochs of batches of {BATCH} ((b): 8, Trainer's own). A draw is {size.train} rows "
        f"to train on, {size.validation} for validation and {size.test} to test on, at random from the set, its number "
        f"the seed; {seeds} draws were asked for. Median (range)."
    )
    how = (
        f"(a) every text padded to {LONGEST}, float32, Adam 1e-4; (b) Trainer's defaults; (c) batches of like length, "
        "fused AdamW 1e-4, warm-up; (d) Driftline, every layer trained, 1e-4 throughout, dropout 0, no probe, "
        f"{size.train // CHECKED} validation rows looked at {checks} times an epoch and all at the end, counted. The "
        "share of the probe's rate counts the multiplications of all six layers on real tokens, those that (d) leaves "
        "out too. Time "
        f"to (a)'s macro-F1: {', '.join(f'{n} layers frozen on {name}' for name, n in FROZEN.items())}, probe, "
        "3e-4; ten looks an epoch at the test rows, not counted."
    )
    chosen = (
        "The learning rates of (d) and of the time to (a)'s macro-F1 were chosen among three by these same test rows, "
        "which flatters them; the other tries are in docs/finetuning.md."
    )
    gpu = "GPU: not measured here; `python -m bench.finetune_gpu`."
    return "\n".join([where, "", how, "", *lines(results, seeds), "", chosen, "", gpu])


def main() -> None:
    """Measure what is missing, write the section."""
    parser = argparse.ArgumentParser(prog="python -m bench.finetune", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--rows", type=int, default=192, help="to train on")
    parser.add_argument("--test", type=int, default=200, help="rows to test on")
    parser.add_argument("--validation", type=int, default=24, help="rows for validation")
    parser.add_argument("--seeds", type=int, default=1, help="draws of each set")
    parser.add_argument("--minutes", type=float, default=9.0, help="no measurement begins after so many")
    parser.add_argument("--dry", action="store_true", help="write no results")
    options = parser.parse_args()
    results = Results(CACHE / "finetune.json", Size(options.rows, options.validation, options.test))
    measure(results, options.seeds, options.minutes * 60)
    section = text(results, options.seeds)
    print(section)
    print(f"still to be measured: {len(missing(results, options.seeds))}")
    if not options.dry:
        write_section(HEADING, section)


if __name__ == "__main__":
    main()
