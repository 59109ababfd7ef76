"""One training: the trainer's arguments, from the first step or a checkpoint's to the weights that are kept."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from tqdm import tqdm
from transformers import PreTrainedModel, TrainingArguments

from tasks.finetune import DVCLIVE, Params, speed
from tasks.finetune.device import Device
from tasks.finetune.engine import Engine
from tasks.finetune.feeding import Rows
from tasks.finetune.live import Live
from tasks.finetune.progress import Watch
from tasks.modelling.training.checkpoint_store import Checkpoints
from tasks.modelling.training.shutdown import noticed

Array = npt.NDArray[Any]
PROBED_TOKENS = 4096  # of the multiplications whose rate is measured: enough for a device to reach its best


def arguments(section: Params, seed: int, device: Device, folder: str) -> TrainingArguments:
    """The trainer's arguments; ``folder`` is a temporary one, and nothing should come to be in it."""
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
        logging_strategy="no",  # when to log, to validate and to save is Pace's to say
        eval_strategy="no",
        save_strategy="no",
        logging_nan_inf_filter=False,
        label_names=["labels"],
        remove_unused_columns=False,
        dataloader_pin_memory=device.cuda,
        disable_tqdm=True,
        report_to="none",
        log_level="error",
    )
    args._n_gpu = min(1, args.n_gpu)  # the trainer would spread a batch over all there are, and sum otherwise
    return args


@dataclass(frozen=True)
class Trained:
    """What training leaves beside the weights."""

    log: list[dict[str, float]]
    """The trainer's own: at each check one entry for the training since the last, one for the validation."""
    steps: int
    """That were taken."""
    kept_step: int
    """Whose weights are kept: the last, or the best with early stopping."""
    parts: int
    """In which the gradient of a batch was computed at the end."""
    watch: Watch
    """What went through the model, in this process."""
    logits: Array
    """Of the validation rows under the weights that are kept, [rows, labels], in the order of ``labels`` below."""
    labels: Array


def train(
    model: PreTrainedModel,
    rows: Rows,
    validation: Rows,
    section: Params,
    seed: int,
    device: Device,
    checkpoints: Checkpoints,
    resumed: Path | None = None,
) -> Trained:
    """Train ``model`` in place, from where the checkpoint ``resumed`` left it.

    Asked to end (SIGTERM, Ctrl-C), it keeps a checkpoint and leaves with SystemExit.
    """
    looked_at = validation.sample(section.check_rows, seed)
    with tempfile.TemporaryDirectory() as folder, noticed() as leaving:
        args = arguments(section, seed, device, folder)
        data: dict[str, Any] = {"args": args, "train_dataset": rows, "eval_dataset": looked_at}
        engine = Engine(model, section, seed, checkpoints, leaving, resumed, _watch(model, device, rows.unit), **data)
        if section.dvclive:
            engine.add_callback(Live(DVCLIVE))
        engine.train(resume_from_checkpoint=str(resumed) if resumed else None)
        if leaving:
            tqdm.write(f"stopped after step {engine.state.global_step} of {engine.state.max_steps}, as asked")
            raise SystemExit(leaving.code)
        return _ended(engine, validation)


def _ended(engine: Engine, validation: Rows) -> Trained:
    """The best weights back in their place, and all of validation under them."""
    last, best = engine.state.global_step, engine.best
    kept = best.step if best.weights else last
    if kept != last:
        engine.trained.load_state_dict(best.weights, strict=False)
    if kept != last or engine.latest is None or len(engine.latest.label_ids) < len(validation):
        engine.predict(validation)
    assert engine.latest is not None, "the trainer validates after every epoch"
    logits, labels = np.asarray(engine.latest.predictions), np.asarray(engine.latest.label_ids)
    return Trained(engine.state.log_history, last, kept, engine.accumulation.parts, engine.watch, logits, labels)


def _watch(model: PreTrainedModel, device: Device, unit: str) -> Watch:
    if unit != Rows.unit:
        return Watch(unit=unit)  # how many tokens an image is, its model alone knows
    found = speed.matrices(model)
    dtype = torch.bfloat16 if device.bf16 else torch.float32
    return Watch(
        found, speed.matmul_rate(found, PROBED_TOKENS if device.cuda else PROBED_TOKENS // 4, device.torch, dtype)
    )
