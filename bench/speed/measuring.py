"""What ``bench.speed`` measures, round by round, each arm in a process of its own, and where it keeps it."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

from bench.speed import arms as arms
from bench.speed.rows import SIZES, Sample, classifier
from tasks.core import chip
from tasks.core.files import write_json
from tasks.finetune import speed
from tasks.modelling.checkpoints import checkpoint
from tasks.score.passes import TOKENS

PARTS = {"score": arms.SCORING, "train": arms.TRAINING}
PROBE = 0.2  # CPU seconds
Key = tuple[str, int, int, str]
"""Part, round, tokens of a text, arm."""


class Measured:
    """What was measured; written after every measurement."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.all: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}

    def get(self, key: Key) -> dict[str, Any] | None:
        """One measurement."""
        found: dict[str, Any] | None = self.all.get("/".join(map(str, key)))
        return found

    def put(self, key: Key, found: dict[str, Any]) -> None:
        """Keep a measurement, and how it was made."""
        about = {"load": os.getloadavg()[0], "date": time.strftime("%Y-%m-%d")}
        self.all["/".join(map(str, key))] = found | about
        self.file.parent.mkdir(parents=True, exist_ok=True)
        write_json(self.all, self.file)

    def rounds(self, part: str, tokens: int, arm: str) -> list[dict[str, Any]]:
        """An arm's measurements, round by round."""
        found: list[dict[str, Any]] = []
        while one := self.get((part, len(found), tokens, arm)):
            found.append(one)
        return found

    def rates(self, part: str, number: int, arm: str) -> list[float]:
        """What the processes of a round measured of the processor in the precision of an arm, in FLOP/s."""
        bf16 = arm.endswith(arms.BF16)
        return [
            one["rate"]
            for key, one in self.all.items()
            if key.startswith(f"{part}/{number}/") and key.endswith(arms.BF16) == bf16
        ]


def plan(parts: list[str], rounds: int) -> Iterator[Key]:
    """All that is to be measured: in each round every arm on every length, so that the arms take turns."""
    for part in parts:
        for number in range(rounds):
            for tokens in SIZES:
                able = [arm for arm in PARTS[part] if chip.has_bf16() or not arm.endswith(arms.BF16)]
                yield from ((part, number, tokens, arm) for arm in able)


@cache
def _made(part: str, arm: str) -> arms.Arm:
    return PARTS[part][arm]()


@cache
def _matrices() -> speed.Matrices:
    return speed.matrices(checkpoint.load_trained(classifier())[1])


def one(key: Key, sample: Sample, threads: int) -> dict[str, Any]:
    """CPU seconds of one arm, and beside it the rate at which the processor multiplies the model's matrices."""
    torch.set_num_threads(threads)
    part, _, _, name = key
    arm, matrices = _made(part, name), _matrices()
    if part == "score":  # imports and the first allocations are in no arm's time
        arm(Sample(sample.scored[:2], [], [], 0))
    dtype = torch.bfloat16 if name.endswith(arms.BF16) else torch.float32
    rate = speed.matmul_rate(matrices, TOKENS, torch.device("cpu"), dtype, PROBE, time.process_time)
    seconds, before = arm(sample)
    counted = sample.tokens if part == "score" else sum(map(len, sample.ids))
    texts = len(sample.scored if part == "score" else sample.trained)
    flops = matrices.flops(counted, texts) // (3 if part == "score" else 1)  # a step is three times a pass
    return {
        "cpu": seconds,
        "tokens": counted,
        "texts": texts,
        "rate": rate,
        "share": flops / seconds / rate,
        "before": before,
    }


def measure(kept: Measured, keys: list[Key], samples: dict[int, Sample], threads: int, minutes: float) -> None:
    """What is missing, until the time is over."""
    until = time.monotonic() + 60 * minutes
    context = get_context("forkserver")  # imports are done once, and no arm finds the memory of another
    context.set_forkserver_preload([arms.__name__])
    with ExitStack() as stack:
        processes: dict[tuple[str, str], ProcessPoolExecutor] = {}
        for key in keys:
            if time.monotonic() > until:
                return
            owner = (key[0], key[3])
            if owner not in processes:
                processes[owner] = stack.enter_context(ProcessPoolExecutor(1, mp_context=context))
            found = processes[owner].submit(one, key, samples[key[2]], threads).result()
            kept.put(key, found)
            print(*key, {name: round(value, 3) for name, value in found.items()}, flush=True)
