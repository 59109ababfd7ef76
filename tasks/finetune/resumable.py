"""What a training keeps in a checkpoint and goes on from: ``transformers.Trainer`` with checkpoints of ours.

The trainer's own files (optimizer, schedule, random numbers, log), and what it forgets: the loss since the last line of
the log, the parts that memory allowed, the best check, the running loss. Nothing else is written anywhere.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel, Trainer

from tasks.core.files import read_json, write_json
from tasks.finetune.divergence import Losses
from tasks.finetune.early_stopping import Best
from tasks.finetune.micro_batches import Accumulation
from tasks.modelling.training.checkpoint_store import Checkpoints

WEIGHTS, STATE, RUNNING = "weights.pt", "trainer_state.json", "running.json"  # beside the trainer's own files


class Resumable(Trainer):
    """A trainer that keeps in ``checkpoints`` all that its next steps depend on, and goes on from ``resumed``."""

    trained: PreTrainedModel
    checkpoints: Checkpoints
    resumed: Path | None
    accumulation: Accumulation
    losses: Losses
    best: Best

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        if self.best.over:
            return  # the trainer would go on from it; from the one before, this step is the last again
        self.checkpoints.keep(self.state.global_step, self._write)

    def _write(self, folder: Path) -> None:
        torch.save(self._state(), folder / WEIGHTS)
        self._save_optimizer_and_scheduler(str(folder))
        self._save_scaler(str(folder))
        self._save_rng_state(str(folder))
        self.state.save_to_json(str(folder / STATE))
        self.best.write(folder)
        running = {"loss_sum": self._tr_loss.item(), "logged_at": self._globalstep_last_logged}
        write_json(running | {"parts": self.accumulation.parts, "losses": self.losses.state()}, folder / RUNNING)

    def _state(self) -> dict[str, torch.Tensor]:
        """What training changes of the model: trained weights, and buffers."""
        fixed = {name for name, weight in self.trained.named_parameters() if not weight.requires_grad}
        return {name: tensor for name, tensor in self.trained.state_dict().items() if name not in fixed}

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        state = torch.load(Path(resume_from_checkpoint) / WEIGHTS, map_location="cpu", weights_only=True)
        self.trained.load_state_dict(state, strict=False)

    def _restore(self) -> None:
        if self.resumed is None:
            return
        running = read_json(self.resumed / RUNNING)
        self._tr_loss += running["loss_sum"]  # since the last line of the log: else the curve would have a gap
        self._globalstep_last_logged = running["logged_at"]
        self.accumulation.parts = running["parts"]
        self.losses.restore(running["losses"])
        self.best.restore(self.resumed)
