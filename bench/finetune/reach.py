"""How long ``bench.finetune`` has Driftline train until it is as good as another training ended."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression

from bench.finetune.arms import BATCH, Tokenized, fresh, macro_f1
from tasks.finetune import Params, frozen
from tasks.finetune.batching import Rows
from tasks.finetune.fit import fit
from tasks.finetune.trainer import ClassifierTrainer

IMPORTED_BEFORE = (LogisticRegression,)  # by the probe: imports are in no arm's time


@dataclass
class Reached(Exception):
    """The macro-F1 that was asked for."""

    seconds: float


def time_to(
    target: float, data: Tokenized, seed: int, settings: Mapping[str, Any], looks: int
) -> tuple[float | None, list[tuple[float, float]]]:
    """Seconds until the test rows' macro-F1 is ``target`` (null: never), and (seconds, macro-F1) at each look.

    The looks at the test rows, and what the frozen layers make of them, are not counted.
    """
    section = Params(batch_size=BATCH, evals_per_epoch=looks, threads=torch.get_num_threads(), **settings)
    model = fresh(data, seed, dropout=section.dropout)
    seen: list[tuple[float, float]] = []
    with _looking(target, data.test, seen):
        try:
            fit(model, data.train, data.test, section, seed)
        except Reached as reached:
            return reached.seconds, seen
    return None, seen


@contextmanager
def _looking(target: float, test: Rows, seen: list[tuple[float, float]]) -> Iterator[None]:
    """Within the block a check notes (seconds, macro-F1) and ends the training when ``target`` is reached."""
    figures, evaluate, activations = ClassifierTrainer.eval_metrics, ClassifierTrainer.evaluate, frozen.activations
    apart = 0.0  # seconds for the test rows
    began = started = perf_counter()

    def noted(self: ClassifierTrainer, found: Any) -> dict[str, float]:
        score = macro_f1(np.asarray(found.label_ids).tolist(), np.asarray(found.predictions).argmax(1).tolist())
        seen.append((began - started - apart, score))
        if score >= target:
            raise Reached(seen[-1][0])
        return figures(self, found)

    def timed(self: ClassifierTrainer, *args: Any, **named: Any) -> dict[str, float]:
        nonlocal began, apart
        began = perf_counter()
        result = evaluate(self, *args, **named)
        apart += perf_counter() - began
        return result

    def below(model: Any, depth: int, rows: Rows, *rest: Any, **named: Any) -> Rows:
        nonlocal apart
        since = perf_counter()
        result = activations(model, depth, rows, *rest, **named)
        apart += perf_counter() - since if rows is test else 0.0
        return result

    ClassifierTrainer.eval_metrics, ClassifierTrainer.evaluate, frozen.activations = noted, timed, below  # type: ignore[method-assign]
    try:
        yield
    finally:
        ClassifierTrainer.eval_metrics, ClassifierTrainer.evaluate = figures, evaluate  # type: ignore[method-assign]
        frozen.activations = activations
