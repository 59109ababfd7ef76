"""The trainer of the classifier: length-grouped batches, gradient accumulation, the loss and the optimizer by name."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Sampler
from tqdm import tqdm
from transformers import EvalPrediction, PreTrainedModel

from tasks.core.errors import UserError
from tasks.finetune import Params, objectives
from tasks.finetune.attention import attention_kernel
from tasks.finetune.batching import LengthGroupedSampler, Rows, min_rows, pad_token_id
from tasks.finetune.early_stopping import EarlyStopping
from tasks.finetune.eval_schedule import EvalSchedule
from tasks.finetune.micro_batches import Accumulation, Tensors, out_of_memory, split_batch
from tasks.modelling.checkpoints.head import needs_equal_lengths
from tasks.modelling.targets import registry
from tasks.modelling.training.divergence import Divergence
from tasks.modelling.training.progress import Progress
from tasks.modelling.training.trainer import ResumableTrainer, Run

PASS_COST = 32  # tokens: the fixed cost of a forward pass on a CPU (25 to 40, MiniLM-L6); on a GPU far more


class ClassifierTrainer(ResumableTrainer):
    """The trainer. Its loss and its optimizer are those that the section names."""

    def __init__(
        self,
        model: PreTrainedModel,
        section: Params,
        seed: int,
        run: Run,
        progress: Progress | None = None,
        **rest: Any,
    ) -> None:
        self.section, self.seed = section, seed
        self.latest: EvalPrediction | None = None  # of the last evaluation
        self.labels = len(model.config.id2label or {})
        self.target = registry.of_model(model)
        self.pass_cost = None if rest["args"].device.type == "cuda" else PASS_COST
        if needs_equal_lengths(model):
            self.pass_cost = 0
        self.min_rows = min_rows(model)
        self.accumulation = Accumulation(section.accumulation, self.min_rows, self.pass_cost)
        self.early_stopping = EarlyStopping(section.early_stopping)
        self.rows = self._rows(rest["train_dataset"])
        super().__init__(
            model,
            run,
            progress or Progress("finetune"),
            self.labels if self.rows.labels.ndim == 1 else 2,
            [EvalSchedule(section.evals_per_epoch)],
            data_collator=self.rows.collator(pad_token_id(model)),
            compute_metrics=self.eval_metrics,
            **rest,
        )
        self.optimizer_cls_and_kwargs = objectives.optimizer(section)
        self.weight = self._label_weights() if section.class_weights else None
        self.batches = LengthGroupedSampler(
            self.rows.lengths, section.batch_size, seed, section.batch_tokens, min_rows=self.min_rows
        )

    def _label_weights(self) -> torch.Tensor:
        counts = np.bincount(self.rows.labels, minlength=self.labels)
        weights = counts.sum() / (np.count_nonzero(counts) * np.maximum(counts, 1))
        return torch.tensor(weights, dtype=torch.float32, device=self.args.device)

    @staticmethod
    def _rows(dataset: Any) -> Rows:
        if not isinstance(dataset, Rows):
            raise TypeError(f"the dataset must be Rows, not {type(dataset).__name__}")
        return dataset

    def get_train_dataloader(self) -> DataLoader[Any]:
        """Shuffled batches of similar length."""
        return self._loader(self.rows, self.batches)

    def get_eval_dataloader(self, eval_dataset: Any = None) -> DataLoader[Any]:
        """All rows, from short to long; the metrics do not depend on the order."""
        rows = self._rows(self.eval_dataset if eval_dataset is None else eval_dataset)
        batch_size = self.args.per_device_eval_batch_size
        batches = LengthGroupedSampler(rows.lengths, batch_size, None, pass_cost=self.pass_cost)
        return self._loader(rows, self._eval_batches(batches))

    def _eval_batches(self, batches: LengthGroupedSampler) -> Sampler[list[int]]:
        """Those of an evaluation that this process computes: all."""
        return batches

    def get_test_dataloader(self, test_dataset: Any) -> DataLoader[Any]:
        """The same, so that a prediction has the logits that an evaluation had."""
        return self.get_eval_dataloader(test_dataset)

    def _loader(self, rows: Rows, batches: Sampler[list[int]]) -> DataLoader[Any]:
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
        loss = objectives.loss(outputs.logits, inputs["labels"], self.weight, self.section, self.target.task)
        return (loss, {"logits": outputs.logits}) if return_outputs else loss

    def _attention(self, inputs: Tensors) -> AbstractContextManager[None]:
        if self.section.attention != "auto" or "attention_mask" not in inputs:
            return nullcontext()
        return attention_kernel(self.args.device, inputs["attention_mask"].shape[1])

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> torch.Tensor:
        """The gradient of one step's batch, and its mean loss."""
        model.train()
        batch = self._augmented(self._prepare_inputs(inputs))
        total = self._batch_weight(batch["labels"])

        def backward(micro_batch: Tensors) -> torch.Tensor:
            with self.compute_loss_context_manager():
                share = self._total_weight(micro_batch["labels"]) / total
                loss = self.compute_loss(model, micro_batch) * share
            self.accelerator.backward(loss)
            detached: torch.Tensor = loss.detach()
            return detached

        loss = self._whole_loss(self.accumulation.gradient(batch, backward, model.zero_grad))
        self.progress.count(self.rows.mask(batch))
        self.record_loss(loss)
        return loss

    def _augmented(self, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return self.rows.augmented(batch, self.section.augmentation, self.seed, self.state.global_step)

    def _batch_weight(self, labels: torch.Tensor) -> Any:
        """What the sum of the losses of the step's batch, whose rows here have these labels, is divided by."""
        return self._total_weight(labels)

    def _whole_loss(self, loss: torch.Tensor) -> torch.Tensor:
        """The batch's mean loss from what was accumulated here; the gradients are then the batch's too."""
        return loss

    def _total_weight(self, labels: torch.Tensor) -> Any:
        """What the mean loss of rows with these labels is divided by."""
        return len(labels) if self.weight is None else self.weight[labels].sum()

    def diverged(self, found: Divergence) -> UserError:
        """Names the rows of the batch and what to try."""
        epoch, batch = divmod(found.step - 1, len(self.batches))
        rows = self.rows.describe(self.batches.of_epoch(epoch)[batch])
        return UserError(
            f"finetune: {found.message} at step {found.step} of {self.state.max_steps}, rows {rows}. Check these rows, "
            f"or lower finetune.learning_rate (it is {self.section.learning_rate}), raise finetune.warmup, or set "
            "finetune.precision to fp32"
        )

    def running_state(self) -> dict[str, Any]:
        """The accumulation that memory allows."""
        return {"accumulation_steps": self.accumulation.steps}

    def write_checkpoint(self, folder: Path) -> None:
        """The best weights so far too."""
        super().write_checkpoint(folder)
        self.early_stopping.write(folder)

    def restore_running_state(self, state: dict[str, Any], folder: Path) -> None:
        """From a checkpoint."""
        self.accumulation.steps = state["accumulation_steps"]
        self.early_stopping.restore(folder)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        if (
            not self.early_stopping.should_stop
        ):  # a resumed run would train on; from the one before, it stops here again
            super()._save_checkpoint(model, trial)

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        """Metrics on the validation rows; stops the training where early stopping says so."""
        found: dict[str, float] = super().evaluate(*args, **kwargs)
        stopping = self.early_stopping
        if stopping.update(self.state.global_step, found["eval_loss_mean"], self.trained_state()):
            tqdm.write(
                f"early stopping: no lower validation loss in {stopping.patience} evaluations; "
                f"using the weights of step {stopping.best_step}"
            )
            self.control.should_training_stop = True
        return found

    def prediction_step(self, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """Logits of a batch, halved while memory runs out."""
        try:
            return super().prediction_step(model, inputs, *args, **kwargs)
        except RuntimeError as error:
            if not out_of_memory(error) or len(inputs["labels"]) == 1:
                raise
        halves = [self.prediction_step(model, half, *args, **kwargs) for half in split_batch(inputs, 2)]
        losses, logits, labels = zip(*halves, strict=True)
        return torch.stack(losses).mean(), torch.cat(logits), torch.cat(labels)

    def eval_metrics(self, predicted: EvalPrediction) -> dict[str, float]:
        """Mean loss and accuracy over all validation rows."""
        self.latest = predicted
        logits, labels = np.asarray(predicted.predictions), np.asarray(predicted.label_ids)
        return {
            "loss_mean": self.target.loss(logits, labels),
            "accuracy": self.target.accuracy(logits, labels),
        }
