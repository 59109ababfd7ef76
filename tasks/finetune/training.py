"""Training: the trainer's arguments, from the first step or a checkpoint to the selected weights."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from transformers import PreTrainedModel, TrainingArguments

from tasks.finetune import DVCLIVE, Params, ranks, speed
from tasks.finetune.batching import Rows
from tasks.finetune.device import Device
from tasks.finetune.dvclive_callback import DvcLiveCallback
from tasks.finetune.live_curves import LiveCurves
from tasks.finetune.shared_trainer import SharedTrainer
from tasks.finetune.trainer import ClassifierTrainer
from tasks.modelling.training.checkpoint_store import CheckpointStore
from tasks.modelling.training.progress import Progress
from tasks.modelling.training.shutdown import graceful_shutdown
from tasks.modelling.training.trainer import QUIET, Run, single_device

Array = npt.NDArray[Any]
PEAK_TOKENS = 4096  # of the multiplications whose rate is measured: enough for a device to reach its peak


def arguments(section: Params, seed: int, device: Device, folder: str) -> TrainingArguments:
    """The trainer's arguments; ``folder`` is temporary and stays empty."""
    args = TrainingArguments(
        output_dir=folder,
        num_train_epochs=section.epochs,
        learning_rate=section.learning_rate,
        per_device_train_batch_size=section.batch_size,
        per_device_eval_batch_size=2 * section.batch_size,
        weight_decay=section.weight_decay,
        warmup_steps=section.warmup,
        lr_scheduler_type=section.scheduler,
        max_grad_norm=section.max_grad_norm,
        bf16=device.bf16,
        tf32=device.tf32 or None,
        optim="adamw_torch_fused" if device.fused else "adamw_torch",
        torch_compile=device.compiled,
        dataloader_num_workers=device.workers,
        use_cpu=not device.cuda,
        full_determinism=section.deterministic and device.cuda,
        seed=seed,
        dataloader_pin_memory=device.cuda,
        **QUIET,
    )
    return single_device(args)


@dataclass(frozen=True)
class TrainResult:
    """What training gives beside the weights."""

    log: list[dict[str, float]]
    """The trainer's: for each evaluation an entry with the training loss and one with the validation metrics."""
    steps: int
    selected_step: int
    """Whose weights are used: the last, or the best with early stopping."""
    accumulation_steps: int
    """Micro-batches of a batch at the end."""
    progress: Progress
    """What this process trained on."""
    logits: Array
    """Of the validation rows under the selected weights, [rows, labels], in the order of ``labels`` below."""
    labels: Array


def train(
    model: PreTrainedModel,
    rows: Rows,
    validation: Rows,
    section: Params,
    seed: int,
    device: Device,
    store: CheckpointStore,
    resumed: Path | None = None,
) -> TrainResult:
    """Train ``model`` in place, from the checkpoint ``resumed`` if given.

    On SIGTERM or Ctrl-C it saves a checkpoint and raises SystemExit.
    """
    with tempfile.TemporaryDirectory() as folder, graceful_shutdown() as shutdown:
        trainer = (ClassifierTrainer if ranks.count() == 1 else SharedTrainer)(
            model,
            section,
            seed,
            Run(store, shutdown, resumed),
            _progress(model, device, rows.unit),
            args=arguments(section, seed, device, folder),
            train_dataset=rows,
            eval_dataset=validation.sample(section.eval_rows, seed),
        )
        if store.folder.is_dir() and ranks.is_first():
            trainer.add_callback(LiveCurves(store.folder))
        if section.dvclive and ranks.is_first():
            trainer.add_callback(DvcLiveCallback(DVCLIVE))
        trainer.fit()
        return _result(trainer, validation)


def _result(trainer: ClassifierTrainer, validation: Rows) -> TrainResult:
    """Restores the best weights, and evaluates all validation rows under them."""
    last, best = trainer.state.global_step, trainer.early_stopping
    selected = best.best_step if best.best_weights else last
    if selected != last:
        trainer.trained.load_state_dict(best.best_weights, strict=False)
    if selected != last or trainer.latest is None or len(trainer.latest.label_ids) < len(validation):
        trainer.predict(validation)
    assert trainer.latest is not None, "every epoch ends with an evaluation"
    logits, labels = np.asarray(trainer.latest.predictions), np.asarray(trainer.latest.label_ids)
    steps = trainer.accumulation.steps
    return TrainResult(trainer.state.log_history, last, selected, steps, trainer.progress, logits, labels)


def _progress(model: PreTrainedModel, device: Device, unit: str) -> Progress:
    if unit != Rows.unit:
        return Progress("finetune", unit)  # only the model knows how many tokens an image is
    matrices = speed.matrices(model)
    tokens, dtype = PEAK_TOKENS // (1 if device.cuda else 4), torch.bfloat16 if device.bf16 else torch.float32
    return Progress("finetune", unit, matrices.flops, speed.matmul_rate(matrices, tokens, device.torch, dtype))
