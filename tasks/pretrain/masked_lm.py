"""Masked language modelling with transformers' collator and ``Trainer``: masking, loss, training and perplexity."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from tqdm import tqdm
from transformers import DataCollatorForLanguageModeling, PreTrainedModel, TrainingArguments, default_data_collator

from tasks.core.errors import UserError
from tasks.modelling.training.checkpoint_store import CheckpointStore
from tasks.modelling.training.divergence import Divergence
from tasks.modelling.training.progress import Progress
from tasks.modelling.training.shutdown import graceful_shutdown
from tasks.modelling.training.trainer import QUIET, ResumableTrainer, Run, print_resumed, single_device
from tasks.pretrain import Params
from tasks.pretrain.texts import Blocks

NO_LOSS = -100


class Masking:
    """transformers' masking (80 % [MASK], 10 % random, 10 % unchanged), drawn from the seed of each call.

    A masking that only (seed, step) decide is the same in a resumed training, and needs no generator in a checkpoint.
    """

    def __init__(self, tokenizer: Any, share: float) -> None:
        self.collator = DataCollatorForLanguageModeling(tokenizer, mlm_probability=share)
        self.special = torch.tensor(tokenizer.all_special_ids)

    def __call__(self, rows: torch.Tensor, *seed: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Masked inputs and labels, both [rows, tokens]; labels are -100 where there is no loss."""
        state = int(np.random.SeedSequence(seed).generate_state(1)[0])
        self.collator.generator = torch.Generator().manual_seed(state)
        inputs, labels = self.collator.torch_mask_tokens(rows.clone(), torch.isin(rows, self.special))
        return inputs, labels


@contextmanager
def masked_positions_only(model: PreTrainedModel) -> Iterator[list[torch.Tensor]]:
    """Within the block the last layer, a matrix over the vocabulary, runs for the masked positions only.

    Append them, [rows, tokens] of bool, to the list before each call.
    """
    positions: list[torch.Tensor] = []
    last: Any = model.get_output_embeddings()  # type: ignore[no-untyped-call]
    if not isinstance(last, nn.Linear):
        raise UserError(f"pretrain: {type(model).__name__} does not end in a linear layer over its vocabulary")
    hook = last.register_forward_pre_hook(lambda _, args: (args[0][positions.pop()],))
    try:
        yield positions
    finally:
        hook.remove()


def masked_loss(model: Any, positions: list[torch.Tensor], inputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Mean cross-entropy of the masked tokens, in nats."""
    masked = labels != NO_LOSS
    positions.append(masked)
    logits = model(input_ids=inputs).logits
    return cross_entropy(logits.float(), labels[masked])


@torch.inference_mode()
def perplexity(model: PreTrainedModel, rows: Blocks, masking: Masking, batch_size: int, seed: int) -> float:
    """exp of the mean cross-entropy of the masked tokens of ``rows``, the same tokens in every call."""
    model.train(False)
    total, count = 0.0, 0
    with masked_positions_only(model) as positions:
        for start in tqdm(range(0, len(rows), batch_size), desc="perplexity", unit=" batches", mininterval=1):
            batch = masking(torch.from_numpy(rows[start : start + batch_size]), seed, start)
            inputs, labels = (tensor.to(model.device) for tensor in batch)
            if masked := int((labels != NO_LOSS).sum()):
                total, count = total + masked_loss(model, positions, inputs, labels).item() * masked, count + masked
    if not count:
        raise UserError("pretrain: no held-out token was masked: raise pretrain.held_out or pretrain.masked")
    return math.exp(total / count)


class MaskedLmTrainer(ResumableTrainer):
    """Masks the batch of a step by (seed, step) and computes the loss at masked positions only."""

    def __init__(self, *args: Any, masking: Masking, seed: int, positions: list[torch.Tensor], **kwargs: Any) -> None:
        self.masking, self.seed, self.positions = masking, seed, positions
        super().__init__(*args, data_collator=default_data_collator, **kwargs)

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> torch.Tensor:
        """The gradient of one step's batch, and its mean loss."""
        masked, labels = self.masking(inputs["input_ids"].cpu(), self.seed, self.state.global_step, 1)
        loss: torch.Tensor = super().training_step(model, {"input_ids": masked, "labels": labels})
        self.progress.count(torch.ones_like(masked))
        self.record_loss(loss)
        return loss

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Mean loss of the masked tokens."""
        return masked_loss(model, self.positions, inputs["input_ids"], inputs["labels"])

    def diverged(self, found: Divergence) -> UserError:
        """Names the step and the parameter to lower."""
        return UserError(f"pretrain: {found.message} at step {found.step}: lower pretrain.learning_rate")


def arguments(section: Params, seed: int, folder: str) -> TrainingArguments:
    """The trainer's arguments; ``folder`` is temporary and stays empty."""
    args = TrainingArguments(
        output_dir=folder,
        num_train_epochs=section.epochs,
        learning_rate=section.learning_rate,
        per_device_train_batch_size=section.batch_size,
        weight_decay=section.weight_decay,
        warmup_steps=section.warmup,
        use_cpu=not torch.cuda.is_available(),
        seed=seed,
        **QUIET,
    )
    return single_device(args)


def train(model: PreTrainedModel, rows: Blocks, masking: Masking, section: Params, seed: int, folder: Path) -> int:
    """Train ``model`` in place and return the number of steps; checkpoints are stored in ``folder``."""
    store = CheckpointStore(folder, section.checkpoint_seconds)
    resumed = store.latest()
    if resumed is not None:
        print_resumed(resumed)
    with (
        TemporaryDirectory() as temporary,
        graceful_shutdown() as shutdown,
        masked_positions_only(model) as positions,
    ):
        trainer = MaskedLmTrainer(
            model,
            Run(store, shutdown, resumed),
            Progress("pretrain"),
            model.config.vocab_size,
            masking=masking,
            seed=seed,
            positions=positions,
            args=arguments(section, seed, temporary),
            train_dataset=[{"input_ids": row} for row in rows],
        )
        trainer.fit()
        return int(trainer.state.global_step)
