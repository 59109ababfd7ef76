"""``transformers.Trainer`` with our feeding, our loss and nothing written but what we ask for."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader
from tqdm import tqdm
from transformers import EvalPrediction, PreTrainedModel, PrinterCallback, ProgressCallback, Trainer, TrainingArguments

from tasks.artefacts import read_json, write_json
from tasks.errors import Refused
from tasks.finetune import Params, temperature
from tasks.finetune.feeding import LengthBatches, Padded, Rows
from tasks.finetune.pace import Pace
from tasks.finetune.watch import Watch
from tasks.kept import Checkpoints
from tasks.leaving import Leaving, noticed

Array = npt.NDArray[Any]
WEIGHTS, STATE, RUNNING = "weights.pt", "trainer_state.json", "running.json"  # beside the trainer's own files


@dataclass(frozen=True)
class Device:
    """What the machine offers and how it will be used."""

    name: str
    cuda: bool
    bf16: bool

    @property
    def torch(self) -> torch.device:
        """As torch knows it."""
        return torch.device("cuda" if self.cuda else "cpu")

    @property
    def precision(self) -> str:
        """As it is recorded."""
        return "bf16" if self.bf16 else "fp32"


def device_for(section: Params) -> Device:
    """CUDA when it is there, with the precision that suits it or that was asked for."""
    cuda = torch.cuda.is_available()
    name = torch.cuda.get_device_name() if cuda else "CPU"
    able = cuda and torch.cuda.is_bf16_supported()
    return Device(name, cuda, {"auto": able, "fp32": False, "bf16": True}[section.precision])


class Engine(Trainer):
    """The trainer. Its loss is the cross-entropy, by label weights and smoothing where the section says so."""

    def __init__(
        self,
        model: PreTrainedModel,
        section: Params,
        seed: int,
        checkpoints: Checkpoints,
        leaving: Leaving,
        resumed: Path | None = None,
        **rest: Any,
    ) -> None:
        self.section, self.seed, self.checkpoints, self.resumed = section, seed, checkpoints, resumed
        self.trained = model
        self.latest: EvalPrediction | None = None  # what the last validation gave
        self.labels = len(model.config.id2label or {})
        collate = Padded(model.config.pad_token_id or 0)
        pace = Pace(section.checks_per_epoch, checkpoints, leaving, self._restore)
        super().__init__(model, data_collator=collate, compute_metrics=self._figures, callbacks=[pace, Watch()], **rest)
        self.remove_callback(PrinterCallback)
        self.remove_callback(ProgressCallback)
        self.model_accepts_loss_kwargs = False  # compute_loss below gives the mean over its rows
        self.weight = self._label_weights() if section.class_weights else None

    def _label_weights(self) -> torch.Tensor:
        counts = np.bincount(self._rows(self.train_dataset).labels, minlength=self.labels)
        return torch.tensor(counts.sum() / (len(counts) * counts), dtype=torch.float32, device=self.args.device)

    @staticmethod
    def _rows(dataset: Any) -> Rows:
        if not isinstance(dataset, Rows):
            raise TypeError(f"the engine is fed Rows, not {type(dataset).__name__}")
        return dataset

    def get_train_dataloader(self) -> DataLoader[Any]:
        """Shuffled batches of like length."""
        return self._loader(self._rows(self.train_dataset), self.section.batch_size, self.seed)

    def get_eval_dataloader(self, eval_dataset: Any = None) -> DataLoader[Any]:
        """All rows, from short to long; the figures do not depend on the order."""
        rows = self._rows(self.eval_dataset if eval_dataset is None else eval_dataset)
        return self._loader(rows, self.args.per_device_eval_batch_size, None)

    def _loader(self, rows: Rows, batch_size: int, seed: int | None) -> DataLoader[Any]:
        batches = LengthBatches(rows.lengths, batch_size, seed)
        loader: DataLoader[Any] = self.accelerator.prepare(
            DataLoader(rows, batch_sampler=batches, collate_fn=self.data_collator)
        )
        return loader

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Mean cross-entropy of the batch."""
        outputs = model(**{name: value for name, value in inputs.items() if name != "labels"})
        smoothing = self.section.label_smoothing
        loss = cross_entropy(outputs.logits.float(), inputs["labels"], self.weight, label_smoothing=smoothing)
        return (loss, outputs) if return_outputs else loss

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> torch.Tensor:
        """One step; a loss that is no number ends the run."""
        loss: torch.Tensor = super().training_step(model, inputs, num_items_in_batch)
        if not torch.isfinite(loss):
            raise Refused(
                f"finetune: the loss is {loss.item()} at step {self.state.global_step + 1} of {self.state.max_steps}: "
                f"lower finetune.learning_rate (it is {self.section.learning_rate}), lengthen finetune.warmup, "
                "or set finetune.precision to fp32"
            )
        return loss

    def _figures(self, predicted: EvalPrediction) -> dict[str, float]:
        """Mean loss and accuracy over all validation rows."""
        self.latest = predicted
        logits, labels = np.asarray(predicted.predictions), np.asarray(predicted.label_ids)
        return {
            "loss_mean": temperature.cross_entropy(logits, labels),
            "accuracy": float(np.mean(logits.argmax(1) == labels)),
        }

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        self.checkpoints.keep(self.state.global_step, self._write)

    def _write(self, folder: Path) -> None:
        torch.save(self._state(), folder / WEIGHTS)
        self._save_optimizer_and_scheduler(str(folder))
        self._save_scaler(str(folder))
        self._save_rng_state(str(folder))
        self.state.save_to_json(str(folder / STATE))
        write_json({"loss_sum": self._tr_loss.item(), "logged_at": self._globalstep_last_logged}, folder / RUNNING)

    def _state(self) -> dict[str, torch.Tensor]:
        """What training changes of the model: trained weights, and buffers."""
        fixed = {name for name, weight in self.trained.named_parameters() if not weight.requires_grad}
        return {name: tensor for name, tensor in self.trained.state_dict().items() if name not in fixed}

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        state = torch.load(Path(resume_from_checkpoint) / WEIGHTS, map_location="cpu", weights_only=True)
        self.trained.load_state_dict(state, strict=False)

    def _restore(self) -> None:
        if (
            self.resumed is not None
        ):  # the sum of losses since the last line of the log: else the curve would have a gap
            running = read_json(self.resumed / RUNNING)
            self._tr_loss += running["loss_sum"]
            self._globalstep_last_logged = running["logged_at"]

    def floating_point_ops(self, inputs: Any) -> int:
        """Not counted here: the trainer's own estimate knows nothing of frozen layers."""
        return 0


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
    logits: Array
    """Of the validation rows after the last step, [rows, labels], in the order of ``labels`` below."""
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
    """Train ``model`` in place, from where the checkpoint ``resumed`` left it; it ends on the CPU.

    Asked to end (SIGTERM, Ctrl-C), it keeps a checkpoint and leaves with SystemExit.
    """
    with tempfile.TemporaryDirectory() as folder, noticed() as leaving:
        args = arguments(section, seed, device, folder)
        engine = Engine(
            model, section, seed, checkpoints, leaving, resumed, args=args, train_dataset=rows, eval_dataset=validation
        )
        engine.train(resume_from_checkpoint=str(resumed) if resumed else None)
        if leaving:
            tqdm.write(f"stopped after step {engine.state.global_step} of {engine.state.max_steps}, as asked")
            raise SystemExit(leaving.code)
        if engine.latest is None:  # the checkpoint was of the last step
            engine.predict(validation)
    assert engine.latest is not None, "the trainer validates after every epoch"
    logits, labels = np.asarray(engine.latest.predictions), np.asarray(engine.latest.label_ids)
    return Trained(engine.state.log_history, engine.state.global_step, logits, labels)
