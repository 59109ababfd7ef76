"""The trainer of one process among several: its share of each batch, and the sum of all gradients at every step.

Draws differ by process, so that no two drop the same neurons: with dropout a training of two processes is another
sample of the same distribution, without it the same up to the order of sums.
"""

from __future__ import annotations

import signal
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader
from transformers import EvalPrediction

from tasks.finetune import ranks
from tasks.finetune.batching import LengthGroupedSampler
from tasks.finetune.shares import Dealt, Share, Shares
from tasks.finetune.trainer import ClassifierTrainer
from tasks.modelling.training.checkpoint_store import is_complete
from tasks.modelling.training.shutdown import ShutdownRequest
from tasks.modelling.training.trainer import Run


class SharedTrainer(ClassifierTrainer):
    """Stops when any of the processes was asked to: all of them after the same step."""

    def __init__(self, model: Any, section: Any, seed: int, run: Run, *args: Any, **rest: Any) -> None:
        self.asked = run.shutdown
        super().__init__(model, section, seed, replace(run, shutdown=ShutdownRequest()), *args, **rest)
        self.shares = Shares(self.batches, ranks.index(), ranks.count())
        ranks.same_weights(model)

    def get_train_dataloader(self) -> DataLoader[Any]:
        """This process's rows of each batch."""
        return self._loader(self.rows, self.shares)

    def _eval_batches(self, batches: LengthGroupedSampler) -> Any:
        self.dealt = Dealt(batches, ranks.index(), ranks.count())
        return self.dealt

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> torch.Tensor:
        """The gradient of one step's whole batch, and its mean loss."""
        words = np.random.SeedSequence([self.seed, self.state.global_step, ranks.index()]).generate_state(2)
        torch.manual_seed(int(words[0]) << 31 | int(words[1]) >> 1)
        return super().training_step(model, inputs, num_items_in_batch)

    def _share(self) -> Share:
        return self.shares.of_step(self.state.global_step)

    def _augmented(self, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        share, step = self._share(), self.state.global_step
        return self.rows.augmented(batch, self.section.augmentation, self.seed, step, share.kept, len(share.batch))

    def _batch_weight(self, labels: torch.Tensor) -> Any:
        share = self._share()
        if share.is_empty:
            return torch.inf  # its one row counts for nothing
        return self._total_weight(torch.from_numpy(self.rows.labels[share.batch]).to(labels.device))

    def _whole_loss(self, loss: torch.Tensor) -> torch.Tensor:
        try:
            whole, asked = ranks.add_up(self.trained.parameters(), loss, bool(self.asked))
        except ranks.PeerLost:
            self._keep_last_step()
            raise
        if asked:
            self.run.shutdown.signal = self.asked.signal or signal.SIGTERM
        return whole

    def _keep_last_step(self) -> None:
        """The weights are still those of the last whole step: they need not be lost with the other process."""
        step, store = self.state.global_step, self.run.store
        if ranks.is_first() and step and not is_complete(store.folder / f"step-{step:09d}"):
            store.save(step, self.write_checkpoint)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        if ranks.is_first():
            super()._save_checkpoint(model, trial)

    def _load_rng_state(self, checkpoint: str | None) -> None:
        """Every step draws anew, by its number and the process."""

    def eval_metrics(self, predicted: EvalPrediction) -> dict[str, float]:
        """Mean loss and accuracy over the rows of all processes."""
        return super().eval_metrics(self._whole_prediction(predicted))

    def _whole_prediction(self, own: EvalPrediction) -> EvalPrediction:
        """In the order of one process: every process has evaluated each ``count``-th batch."""
        own_rows, all_rows = (np.concatenate(batches) for batches in (self.dealt.own, self.dealt.all))
        found = ranks.gathered((own_rows, np.asarray(own.predictions), np.asarray(own.label_ids)))
        rows, logits, labels = (np.concatenate(part) for part in zip(*found, strict=True))
        place = np.empty(len(all_rows), np.int64)
        place[rows] = np.arange(len(rows))
        order = place[all_rows]
        return EvalPrediction(logits[order], labels[order])
