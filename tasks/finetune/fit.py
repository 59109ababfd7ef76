"""The whole of a training, from a checkpoint to calibrated weights; what it keeps for a next try lies in one folder."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedModel

from tasks.core.files import read_json
from tasks.finetune import Params, frozen, lora, record, temperature, vocabulary
from tasks.finetune.device import Device, device_for
from tasks.finetune.feeding import Rows
from tasks.finetune.probe import begin_at_probe
from tasks.finetune.resumable import STATE
from tasks.finetune.training import Trained, train
from tasks.modelling.decision import Chosen, choose
from tasks.modelling.training.checkpoint_store import Checkpoints, once

Figures = dict[str, Any]


@dataclass(frozen=True)
class Fitted:
    """What a training leaves beside the weights."""

    figures: Figures
    """What was done and how well it went; the same for the same inputs."""
    curves: list[dict[str, float | int]]
    """One row for each check."""
    cost: Figures
    """Seconds, tokens/s and the machine; never the same twice."""


class Clock:
    """Seconds by what they were spent on."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._since = perf_counter()

    def lap(self, name: str) -> None:
        """What went by since the last lap was spent on ``name``."""
        now = perf_counter()
        self.seconds[name] = round(now - self._since, 3)
        self._since = now


def fit(
    model: PreTrainedModel, rows: Rows, validation: Rows, section: Params, seed: int, keep: Path | None = None
) -> Fitted:
    """Train ``model`` in place and fold its temperature in; it ends on the CPU, ready to predict.

    What is done is kept in the folder ``keep``, from where the same call goes on after an interruption.
    """
    device, clock = device_for(section, model.config._attn_implementation or "eager"), Clock()
    torch.nn.Module.to(model, device.torch)
    with _room(keep) as folder, _trained_part(model, section, rows, validation, folder) as part:
        checkpoints = Checkpoints(folder, section.checkpoint_seconds if keep else math.inf)
        resumed = checkpoints.latest()
        if resumed is not None:
            _tell(resumed)
        if section.probe and resumed is None:
            begin_at_probe(model, part.rows, section.batch_size, folder / "probe")
        clock.lap("prepare")
        with lora.adapted(model, section.lora):
            trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
            _announce(device, section, trained, part.narrow)
            done = train(model, part.rows, part.validation, section, seed, device, checkpoints, resumed)
        clock.lap("train")
    torch.nn.Module.to(model, "cpu").train(False)
    warmth = temperature.fit(done.logits, done.labels)
    temperature.fold(model, warmth)
    decision = _decide(model, done, warmth, section)
    how = {
        "trained_parameters": trained,
        "frozen_layers": section.frozen_layers,
        "last_layer_for_first_token_only": part.narrow,
        "precision": device.precision,
        **({"decision": decision} if decision else {}),
    }
    return Fitted(_figures(model, done, warmth) | how, record.curves(done.log), _cost(clock, done, device, resumed))


@dataclass(frozen=True)
class _Part:
    rows: Rows
    validation: Rows
    narrow: bool


@contextmanager
def _room(keep: Path | None) -> Iterator[Path]:
    """The folder to keep things in, or one for the time being."""
    if keep is not None:
        yield keep
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@contextmanager
def _trained_part(
    model: PreTrainedModel, section: Params, rows: Rows, validation: Rows, folder: Path
) -> Iterator[_Part]:
    """The model as its trained part, and the rows as this part takes them."""
    depth = section.frozen_layers
    if depth:
        frozen.refuse_too_many(model, depth)
        given, held_out = _activations(model, section, rows, validation, folder / "activations")
        narrow = frozen.can_narrow(model, depth, validation, held_out)
        with frozen.trained_part(model, depth, narrow):
            yield _Part(given, held_out, narrow)
        return
    with vocabulary.occurring(model, rows, validation) as (given, held_out):
        narrow = frozen.in_a_list(model) and frozen.can_narrow(model, 0, held_out, held_out)
        with frozen.trained_part(model, 0, narrow) if narrow else nullcontext():
            yield _Part(given, held_out, narrow)


def _activations(
    model: PreTrainedModel, section: Params, rows: Rows, validation: Rows, folder: Path
) -> tuple[Rows, Rows]:
    splits = {"train.npy": rows, "validation.npy": validation}

    def write(folder: Path) -> None:
        frozen.refuse_too_large(model, rows, folder)
        for name, part in splits.items():
            frozen.activations(model, section.frozen_layers, part, folder / name, section.batch_size)

    once(folder, write)
    given, held_out = (frozen.kept_activations(part, folder / name) for name, part in splits.items())
    return given, held_out


def _tell(resumed: Path) -> None:
    state = read_json(resumed / STATE)
    print(f"going on from step {state['global_step']} of {state['max_steps']}, kept in {resumed}", flush=True)


def _announce(device: Device, section: Params, parameters: int, narrow: bool) -> None:
    chosen = ", ".join(f"{name} {value}" for name, value in device.choices().items())
    print(
        f"training {parameters:,} parameters on {device.name}, {section.frozen_layers} layers frozen"
        + (", the last layer for its first token alone" if narrow else "")
        + f" ({chosen})",
        flush=True,
    )


def _decide(model: PreTrainedModel, done: Trained, warmth: float, section: Params) -> Chosen | None:
    """The thresholds, left in the model's config too."""
    probability = temperature.softmax(done.logits / warmth)
    chosen = choose(probability, done.labels, list(model.config.label2id or {}), section.decision)
    vars(model.config).pop("decision", None)  # an earlier classifier's, after a warm start
    if chosen is not None:
        model.config.decision = chosen
    return chosen


def _figures(model: PreTrainedModel, done: Trained, warmth: float) -> Figures:
    (train_loss,) = [row["train_loss"] for row in record.curves(done.log) if row["step"] == done.kept_step]
    return {
        "labels": list(model.config.label2id or {}),
        "steps": done.steps,
        "kept_step": done.kept_step,
        "temperature": round(warmth, 6),
        "validation_loss_at_temperature": round(temperature.cross_entropy(done.logits / warmth, done.labels), 6),
        "parameters": model.num_parameters(),
        "train_loss": train_loss,
        "validation_loss": round(temperature.cross_entropy(done.logits, done.labels), 6),
        "validation_accuracy": round(float(np.mean(done.logits.argmax(1) == done.labels)), 6),
    }


def _cost(clock: Clock, done: Trained, device: Device, resumed: Path | None) -> Figures:
    """Of this process: what an interrupted one did before is not in it."""
    watch, share = done.watch, done.watch.share()
    return {
        "seconds": clock.seconds,
        "resumed": resumed is not None,
        f"trained_{watch.unit}": watch.tokens,
        f"{watch.unit}_per_second": round(watch.tokens / watch.seconds, 1) if watch.seconds else None,
        "share_of_matmul_rate": None if share is None else round(share, 3),
        "device": device.name,
        **device.choices(),
        "gradient_parts": done.parts,
        **record.host(),
    }
