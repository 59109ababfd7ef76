"""``transformers.Trainer`` with our feeding and our loss; its checkpoints are ``resumable.py``'s."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader
from tqdm import tqdm
from transformers import EvalPrediction, PreTrainedModel, PrinterCallback, ProgressCallback

from tasks.core.errors import UserError
from tasks.finetune import Params, objectives, temperature
from tasks.finetune.attention import kernel
from tasks.finetune.divergence import APART, Losses, Trouble
from tasks.finetune.early_stopping import Best
from tasks.finetune.eval_schedule import Pace
from tasks.finetune.feeding import LengthBatches, Rows, pad
from tasks.finetune.micro_batches import Accumulation, Tensors, out_of_memory, parts_of
from tasks.finetune.progress import Watch
from tasks.finetune.resumable import Resumable
from tasks.modelling.training.checkpoint_store import Checkpoints
from tasks.modelling.training.shutdown import Leaving

BEGIN = 32  # tokens: what one more pass through the model costs on a CPU (25 to 40, MiniLM-L6); on a GPU far more


class Engine(Resumable):
    """The trainer. Its loss and its optimizer are those that the section names."""

    def __init__(
        self,
        model: PreTrainedModel,
        section: Params,
        seed: int,
        checkpoints: Checkpoints,
        leaving: Leaving,
        resumed: Path | None = None,
        watch: Watch | None = None,
        **rest: Any,
    ) -> None:
        self.section, self.seed, self.checkpoints, self.resumed = section, seed, checkpoints, resumed
        self.trained = model
        self.latest: EvalPrediction | None = None  # what the last validation gave
        self.labels = len(model.config.id2label or {})
        self.begin = None if rest["args"].device.type == "cuda" else BEGIN
        self.accumulation, self.best = Accumulation(section.accumulation, self.begin), Best(section.early_stopping)
        self.fed = self._rows(rest["train_dataset"])
        pace = Pace(section.checks_per_epoch, checkpoints, leaving, self._restore)
        self.watch = watch or Watch()
        super().__init__(
            model,
            data_collator=self.fed.collated(pad(model)),
            compute_metrics=self._figures,
            callbacks=[pace, self.watch],
            **rest,
        )
        self.remove_callback(PrinterCallback)
        self.remove_callback(ProgressCallback)
        self.model_accepts_loss_kwargs = False  # compute_loss below gives the mean over its rows
        self.optimizer_cls_and_kwargs = objectives.optimizer(section)
        self.weight = self._label_weights() if section.class_weights else None
        self.losses = Losses(self.labels, APART if self.args.device.type == "cuda" else 1)
        self.batches = LengthBatches(self.fed.lengths, section.batch_size, seed, section.batch_tokens)

    def _label_weights(self) -> torch.Tensor:
        counts = np.bincount(self.fed.labels, minlength=self.labels)
        weights = counts.sum() / (np.count_nonzero(counts) * np.maximum(counts, 1))
        return torch.tensor(weights, dtype=torch.float32, device=self.args.device)

    @staticmethod
    def _rows(dataset: Any) -> Rows:
        if not isinstance(dataset, Rows):
            raise TypeError(f"the engine is fed Rows, not {type(dataset).__name__}")
        return dataset

    def get_train_dataloader(self) -> DataLoader[Any]:
        """Shuffled batches of like length."""
        return self._loader(self.fed, self.batches)

    def get_eval_dataloader(self, eval_dataset: Any = None) -> DataLoader[Any]:
        """All rows, from short to long; the figures do not depend on the order."""
        rows = self._rows(self.eval_dataset if eval_dataset is None else eval_dataset)
        most = self.args.per_device_eval_batch_size
        return self._loader(rows, LengthBatches(rows.lengths, most, None, begin=self.begin))

    def _loader(self, rows: Rows, batches: LengthBatches) -> DataLoader[Any]:
        loader: DataLoader[Any] = self.accelerator.prepare(
            DataLoader(
                rows,
                batch_sampler=batches,
                collate_fn=self.data_collator,
                num_workers=self.args.dataloader_num_workers,
                pin_memory=self.args.dataloader_pin_memory,
            )
        )
        return loader

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Mean loss of the batch."""
        with self._attention(inputs):
            outputs = model(**{name: value for name, value in inputs.items() if name != "labels"})
        loss = objectives.loss(outputs.logits, inputs["labels"], self.weight, self.section)
        return (loss, outputs) if return_outputs else loss

    def _attention(self, inputs: Tensors) -> AbstractContextManager[None]:
        if self.section.attention != "auto" or "attention_mask" not in inputs:
            return nullcontext()
        return kernel(self.args.device, inputs["attention_mask"].shape[1])

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> torch.Tensor:
        """The gradient of one step's batch, and its mean loss; a loss that went wrong ends the run."""
        model.train()
        step, prepared = self.state.global_step, self._prepare_inputs(inputs)
        batch = self.fed.varied(prepared, self.section.augmentation, self.seed, step)
        whole = self._weighed(batch["labels"])

        def backward(part: Tensors) -> torch.Tensor:
            with self.compute_loss_context_manager():
                loss = self.compute_loss(model, part) * (self._weighed(part["labels"]) / whole)
            self.accelerator.backward(loss)
            detached: torch.Tensor = loss.detach()
            return detached

        loss = self.accumulation.gradient(batch, backward, model.zero_grad)
        self.watch.fed(self.fed.mask(batch))
        self._refuse(self.losses.add(step + 1, loss))
        return loss

    def _weighed(self, labels: torch.Tensor) -> Any:
        """What the mean loss of rows with these labels is divided by."""
        return len(labels) if self.weight is None else self.weight[labels].sum()

    def _refuse(self, trouble: Trouble | None) -> None:
        if trouble is None:
            return
        batches = len(self.batches)
        rows = self.batches.of_epoch((trouble.step - 1) // batches)[(trouble.step - 1) % batches]
        raise UserError(
            f"finetune: {trouble.words} at step {trouble.step} of {self.state.max_steps}. Its rows: "
            f"{self.fed.named(rows)}. Look at them, or lower finetune.learning_rate "
            f"(it is {self.section.learning_rate}), lengthen finetune.warmup, or set finetune.precision to fp32"
        )

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        self._refuse(self.losses.look())
        super()._save_checkpoint(model, trial)

    def evaluate(self, *args: Any, **named: Any) -> dict[str, float]:
        """The figures on the validation rows; with early stopping, the end where they have stopped to improve."""
        found: dict[str, float] = super().evaluate(*args, **named)
        if self.best.check(self.state.global_step, found["eval_loss_mean"], self._state()):
            tqdm.write(f"no lower validation loss in {self.best.patience} checks: back to step {self.best.step}, done")
            self.control.should_training_stop = True
        return found

    def prediction_step(self, model: Any, inputs: Any, *args: Any, **named: Any) -> Any:
        """Logits of a batch; in halves where memory does not suffice."""
        try:
            return super().prediction_step(model, inputs, *args, **named)
        except RuntimeError as error:
            if not out_of_memory(error) or len(inputs["labels"]) == 1:
                raise
        halves = [self.prediction_step(model, half, *args, **named) for half in parts_of(inputs, 2)]
        losses, logits, labels = zip(*halves, strict=True)
        return torch.stack(losses).mean(), torch.cat(logits), torch.cat(labels)

    def _figures(self, predicted: EvalPrediction) -> dict[str, float]:
        """Mean loss and accuracy over all validation rows."""
        self.latest = predicted
        logits, labels = np.asarray(predicted.predictions), np.asarray(predicted.label_ids)
        return {
            "loss_mean": temperature.cross_entropy(logits, labels),
            "accuracy": float(np.mean(logits.argmax(1) == labels)),
        }

    def floating_point_ops(self, inputs: Any) -> int:
        """Not counted here: the trainer's own estimate knows nothing of frozen layers."""
        return 0
