"""``transformers.Trainer`` with exact resume, graceful shutdown and a divergence guard, for finetune and pretrain.

A checkpoint holds the trainer's own files (optimizer, schedule, random states, log) and what the trainer would lose:
the training loss since the last log line, and the state of the divergence guard and of the subclass. Nothing is written
anywhere else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm
from transformers import (
    PreTrainedModel,
    PrinterCallback,
    ProgressCallback,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from tasks.core.errors import UserError
from tasks.core.files import read_json, write_json
from tasks.modelling.training.checkpoint_store import CheckpointStore
from tasks.modelling.training.divergence import GPU_CHECK_STEPS, Divergence, DivergenceGuard
from tasks.modelling.training.progress import Progress
from tasks.modelling.training.shutdown import ShutdownRequest

WEIGHTS, STATE, RUNNING = "weights.pt", "trainer_state.json", "running.json"  # beside the trainer's own files
QUIET: dict[str, Any] = {  # arguments: logging, evaluation and checkpoints are ours
    "logging_strategy": "no",
    "eval_strategy": "no",
    "save_strategy": "no",
    "logging_nan_inf_filter": False,
    "label_names": ["labels"],
    "remove_unused_columns": False,
    "disable_tqdm": True,
    "report_to": "none",
    "log_level": "error",
}


def single_device(args: TrainingArguments) -> TrainingArguments:
    """The arguments for one GPU at most: the trainer would split a batch over all GPUs and sum their losses."""
    args._n_gpu = min(1, args.n_gpu)
    return args


@dataclass(frozen=True)
class Run:
    """Where a training saves its checkpoints, resumes from and gets its shutdown request."""

    store: CheckpointStore
    shutdown: ShutdownRequest
    resumed: Path | None = None
    """The checkpoint to resume from; None: start from the beginning."""


class _Checkpointing(TrainerCallback):
    """Saves a checkpoint when one is due or a shutdown was requested; stops the training in the latter case."""

    def __init__(self, trainer: ResumableTrainer) -> None:
        self.trainer = trainer

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Restore what the trainer itself does not."""
        self.trainer.restore()

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Request a checkpoint, and the end."""
        shutdown = bool(self.trainer.run.shutdown)
        control.should_save = shutdown or self.trainer.run.store.due
        control.should_training_stop = control.should_training_stop or shutdown


class ResumableTrainer(Trainer):
    """A trainer whose resumed runs end in the same weights, byte for byte, as uninterrupted ones."""

    def __init__(
        self,
        model: PreTrainedModel,
        run: Run,
        progress: Progress,
        classes: int,
        callbacks: Sequence[TrainerCallback] = (),
        **rest: Any,
    ) -> None:
        """``classes``: of the loss, for the divergence guard; ``rest``: the trainer's own arguments."""
        self.trained, self.run, self.progress = model, run, progress
        super().__init__(model, callbacks=[_Checkpointing(self), progress, *callbacks], **rest)
        self.remove_callback(PrinterCallback)
        self.remove_callback(ProgressCallback)
        self.model_accepts_loss_kwargs = False  # compute_loss gives the mean over its rows
        self.guard = DivergenceGuard(classes, GPU_CHECK_STEPS if self.args.device.type == "cuda" else 1)

    def fit(self) -> None:
        """Train to the end, or raise SystemExit after a shutdown request, its checkpoint saved."""
        resumed = self.run.resumed
        self.train(resume_from_checkpoint=str(resumed) if resumed else None)
        if self.run.shutdown:
            tqdm.write(f"stopped after step {self.state.global_step} of {self.state.max_steps} on request")
            raise SystemExit(self.run.shutdown.exit_code)

    def diverged(self, found: Divergence) -> UserError:
        """What to tell the user."""
        raise NotImplementedError

    def record_loss(self, loss: torch.Tensor) -> None:
        """The loss of the current step; UserError if it is not finite or diverges."""
        self._refuse(self.guard.add(self.state.global_step + 1, loss))

    def _refuse(self, found: Divergence | None) -> None:
        if found is not None:
            raise self.diverged(found)

    def running_state(self) -> dict[str, Any]:
        """What a subclass adds to a checkpoint, as JSON."""
        return {}

    def restore_running_state(self, state: dict[str, Any], folder: Path) -> None:
        """The reverse; ``folder`` is the checkpoint."""

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        self._refuse(self.guard.check())
        self.run.store.save(self.state.global_step, self.write_checkpoint)

    def write_checkpoint(self, folder: Path) -> None:
        """All that the next steps depend on."""
        torch.save(self.trained_state(), folder / WEIGHTS)
        self._save_optimizer_and_scheduler(str(folder))
        self._save_scaler(str(folder))
        self._save_rng_state(str(folder))
        self.state.save_to_json(str(folder / STATE))
        loss = {"loss_sum": self._tr_loss.item(), "logged_at": self._globalstep_last_logged}
        write_json(loss | {"guard": self.guard.state()} | self.running_state(), folder / RUNNING)

    def trained_state(self) -> dict[str, torch.Tensor]:
        """What training changes of the model: trainable weights, and buffers."""
        fixed = {name for name, weight in self.trained.named_parameters() if not weight.requires_grad}
        return {name: tensor for name, tensor in self.trained.state_dict().items() if name not in fixed}

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        state = torch.load(Path(resume_from_checkpoint) / WEIGHTS, map_location="cpu", weights_only=True)
        self.trained.load_state_dict(state, strict=False)

    def restore(self) -> None:
        """Restore what the trainer itself does not."""
        if self.run.resumed is None:
            return
        running = read_json(self.run.resumed / RUNNING)
        self._tr_loss += running["loss_sum"]
        self._globalstep_last_logged = running["logged_at"]
        self.guard.restore(running["guard"])
        self.restore_running_state(running, self.run.resumed)

    def floating_point_ops(self, inputs: Any) -> int:
        """Not counted: the trainer's own estimate ignores frozen layers."""
        return 0


def print_resumed(checkpoint: Path) -> None:
    """Say where a training resumes."""
    state = read_json(checkpoint / STATE)
    print(f"resuming at step {state['global_step']} of {state['max_steps']} from {checkpoint}", flush=True)
