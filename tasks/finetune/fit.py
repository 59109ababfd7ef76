"""Train a classifier: from a checkpoint to calibrated weights; all that a resume needs is in one folder."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from transformers import PreTrainedModel

from tasks.finetune import Params, frozen, lora, ranks, record, temperature, vocabulary
from tasks.finetune.batching import Rows
from tasks.finetune.device import Device, device_for
from tasks.finetune.kept_pass import kept_passes
from tasks.finetune.preflight import Settled, settle
from tasks.finetune.probe import init_last_layer
from tasks.finetune.training import TrainResult, train
from tasks.modelling.targets import registry
from tasks.modelling.targets.target import Calibration, Decision, Target
from tasks.modelling.training.checkpoint_store import CheckpointStore
from tasks.modelling.training.trainer import print_resumed

Metrics = dict[str, Any]


@dataclass(frozen=True)
class FitResult:
    """What a training gives beside the weights."""

    metrics: Metrics
    """The same for the same inputs."""
    curves: list[dict[str, float | int]]
    """One row for each evaluation."""
    cost: Metrics
    """Seconds, tokens/s and the machine; different in every run."""


class Timer:
    """Seconds by phase."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._since = perf_counter()

    def lap(self, phase: str) -> None:
        """The time since the last lap was spent on ``phase``."""
        now = perf_counter()
        self.seconds[phase] = round(now - self._since, 3)
        self._since = now


def fit(
    model: PreTrainedModel,
    rows: Rows,
    validation: Rows,
    section: Params,
    seed: int,
    folder: Path | None = None,
    longest: int | None = None,
) -> FitResult:
    """Train ``model`` in place and fold its temperature in; it ends on the CPU, ready to predict.

    ``folder`` holds checkpoints and what is computed once; the same call resumes from it after an interruption.
    ``longest``: the most tokens that a row of any split may have. UserError where the model cannot be trained so.
    """
    ranks.refuse_unfit(model)
    settled = settle(model, rows, section, longest)
    section = settled.section
    device, timer = device_for(section, model.config._attn_implementation or "eager"), Timer()
    torch.nn.Module.to(model, device.torch)
    with (
        _recomputed(model, section.gradient_checkpointing),
        _work_folder(folder) as work,
        _trainable_part(model, settled, rows, validation, work, device) as part,
    ):
        store = CheckpointStore(work, section.checkpoint_seconds if folder else math.inf)
        resumed = ranks.agreed(store.latest() if ranks.is_first() else None)
        if resumed is not None:
            print_resumed(resumed)
        elif section.probe:
            with ranks.in_turn():
                init_last_layer(model, part.rows, section.batch_size, work / "probe")
        timer.lap("prepare")
        with lora.with_adapters(model, section.lora):
            trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
            _announce(device, section, trainable, part.cls_only)
            done = train(model, part.rows, part.validation, section, seed, device, store, resumed)
        timer.lap("train")
    torch.nn.Module.to(model, "cpu").train(False)
    target = registry.of_model(model)
    fitted = temperature.fit(target, done.logits, done.labels, settled.scaled)
    temperature.fold(settled.scaled, fitted)
    decision = _decide(model, done, fitted, section, target)
    metrics = _metrics(model, done, fitted, target) | {
        "trainable_parameters": trainable,
        "frozen_layers": section.frozen_layers,
        "cls_only_last_layer": part.cls_only,
        "precision": device.precision,
        **({"decision": decision} if decision else {}),
    }
    return FitResult(metrics, record.curves(done.log), _cost(timer, done, device, resumed))


@dataclass(frozen=True)
class _Part:
    rows: Rows
    validation: Rows
    cls_only: bool


@contextmanager
def _work_folder(folder: Path | None) -> Iterator[Path]:
    """The folder, or a temporary one."""
    if folder is not None:
        yield folder
        return
    with tempfile.TemporaryDirectory() as temporary:
        yield ranks.agreed(Path(temporary) / "work")


@contextmanager
def _trainable_part(
    model: PreTrainedModel, settled: Settled, rows: Rows, validation: Rows, folder: Path, device: Device
) -> Iterator[_Part]:
    """Within the block the model is its trainable part; yields the rows as this part takes them."""
    section, sample = settled.section, settled.sample
    depth, cls_only = int(section.frozen_layers), settled.cls_only
    if depth and cls_only is None:
        print(
            f"the frozen layers of {type(model).__name__} cannot be computed once: they run at every step", flush=True
        )
        with frozen.frozen_in_place(model, depth):
            yield _Part(rows, validation, False)
    elif depth:
        train_rows, held_out = kept_passes(model, depth, (rows, validation), folder, section.batch_size, device)
        shared = frozen.shared_weights(model, depth, sample)
        with frozen.held(shared), frozen.trainable_part(model, depth, bool(cls_only)):
            yield _Part(train_rows, held_out, bool(cls_only))
    else:
        used = vocabulary.only_used_tokens(model, rows, validation, sample=sample)
        part = frozen.trainable_part(model, 0, True) if cls_only else nullcontext()
        with used as (train_rows, held_out), part:
            yield _Part(train_rows, held_out, bool(cls_only))


@contextmanager
def _recomputed(model: PreTrainedModel, asked: bool) -> Iterator[None]:
    """Within the block, if asked, a layer's inner activations are computed again when its gradient is."""
    if not asked:
        yield
        return
    its: Any = model
    its.activation_checkpointing_enable({"use_reentrant": False})
    its.disable_input_require_grads()  # which only the reentrant way needs
    try:
        yield
    finally:
        its.activation_checkpointing_disable()


def _announce(device: Device, section: Params, parameters: int, cls_only: bool) -> None:
    settings = ", ".join(f"{name} {value}" for name, value in device.settings().items())
    print(
        f"training {parameters:,} parameters on {device.name}, {section.frozen_layers} layers frozen"
        + (", CLS-only last layer" if cls_only else "")
        + f" ({settings})",
        flush=True,
    )


def _decide(
    model: PreTrainedModel, done: TrainResult, fitted: Calibration, section: Params, target: Target
) -> Decision | None:
    """The decision thresholds, written to the model's config too."""
    probability = target.probabilities(fitted.apply(done.logits))
    thresholds = target.choose(probability, done.labels, list(model.config.label2id or {}), section.decision)
    vars(model.config).pop("decision", None)  # of the earlier classifier, after a warm start
    if thresholds is not None:
        model.config.decision = thresholds
    return thresholds


def _metrics(model: PreTrainedModel, done: TrainResult, fitted: Calibration, target: Target) -> Metrics:
    (train_loss,) = [row["train_loss"] for row in record.curves(done.log) if row["step"] == done.selected_step]
    labels = list(model.config.label2id or {})
    return {
        "labels": labels,
        "steps": done.steps,
        "selected_step": done.selected_step,
        **fitted.figures(labels),
        "validation_loss_at_temperature": round(target.loss(fitted.apply(done.logits), done.labels), 6),
        "parameters": model.num_parameters(),
        "train_loss": train_loss,
        "validation_loss": round(target.loss(done.logits, done.labels), 6),
        "validation_accuracy": round(target.accuracy(done.logits, done.labels), 6),
    }


def _cost(timer: Timer, done: TrainResult, device: Device, resumed: Path | None) -> Metrics:
    """Since the training was started or resumed; the tokens are those of all its processes."""
    progress, share = done.progress, done.progress.share_of_peak()
    tokens = sum(ranks.gathered(progress.tokens))
    return {
        "seconds": timer.seconds,
        "resumed": resumed is not None,
        f"trained_{progress.unit}": tokens,
        f"{progress.unit}_per_second": round(tokens / progress.seconds, 1) if progress.seconds else None,
        "share_of_matmul_rate": None if share is None else round(share, 3),
        "device": device.name,
        "processes": ranks.count(),
        **device.settings(),
        "accumulation_steps": done.accumulation_steps,
        **record.host(),
    }
