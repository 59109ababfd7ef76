"""Frozen layers: their activations are computed once, and only the layers above are trained.

A frozen layer's output for a row never changes, so it is computed before the first epoch (without dropout) and stored
in a file; the layers above are then trained on it in place of the embeddings.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import disk_usage
from typing import Any

import numpy as np
import torch
from torch import nn
from tqdm import tqdm
from transformers import PreTrainedModel

from tasks.core.errors import UserError
from tasks.finetune.batching import LengthGroupedSampler, Rows, model_inputs
from tasks.finetune.cls_only import ClsOnlyLayer, is_bert_layer
from tasks.finetune.micro_batches import halved_on_oom

TOLERANCE = 1e-4  # of the logits: float32 sums in another order differ by less


class _EmbeddingBypass(nn.Module):
    """In place of the embeddings: returns the activations it is given."""

    def forward(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        found: torch.Tensor = next(
            value for value in (*args, *kwargs.values()) if torch.is_tensor(value) and value.is_floating_point()
        )
        return found


class _Recorder(nn.Module):
    """In place of a layer: records its input."""

    def forward(self, hidden: torch.Tensor, *_: Any, **__: Any) -> torch.Tensor:
        self.seen = hidden
        return hidden


def has_layer_list(model: PreTrainedModel) -> bool:
    """Whether a model keeps its layers in a list; ALBERT, which shares one, does not."""
    return _find_layers(model) is not None


def _find_layers(model: PreTrainedModel) -> tuple[nn.Module, str] | None:
    for owner in model.base_model.modules():
        for name, child in owner.named_children():
            if isinstance(child, nn.ModuleList) and len(child) == getattr(model.config, "num_hidden_layers", None):
                return owner, name
    return None


def _layers_owner(model: PreTrainedModel) -> tuple[nn.Module, str]:
    """The module that holds the list of layers, and the list's name."""
    found = _find_layers(model)
    if found is None:
        raise UserError(f"finetune.frozen_layers: {type(model).__name__} has no list of layers; set it to 0")
    return found


def _layers(model: PreTrainedModel) -> nn.ModuleList:
    owner, name = _layers_owner(model)
    found: nn.ModuleList = getattr(owner, name)
    return found


@contextmanager
def _with_layers(model: PreTrainedModel, layers: list[nn.Module]) -> Iterator[None]:
    owner, name = _layers_owner(model)
    before = getattr(owner, name)
    setattr(owner, name, nn.ModuleList(layers))
    try:
        yield
    finally:
        setattr(owner, name, before)


@contextmanager
def trainable_part(model: PreTrainedModel, frozen: int, cls_only: bool) -> Iterator[None]:
    """Within the block the model is its trainable part only; frozen layers neither run nor reach the optimizer.

    With ``frozen`` layers its input is activations; with ``cls_only`` the last layer runs for the CLS token only.
    """
    layers = list(_layers(model))
    upper = [*layers[frozen:-1], ClsOnlyLayer(layers[-1]) if cls_only else layers[-1]]
    base: Any = model.base_model
    embeddings = base.embeddings if frozen else None
    with _with_layers(model, upper):
        if frozen:
            base.embeddings = _EmbeddingBypass()
        try:
            yield
        finally:
            if frozen:
                base.embeddings = embeddings


@torch.inference_mode()
def activations(model: PreTrainedModel, frozen: int, rows: Rows, file: Path, batch_size: int) -> Rows:
    """The output of the ``frozen`` lowest layers for all rows, [tokens, hidden] in float32, written to ``file``."""
    recorder = _Recorder()
    shape = (int(rows.starts[-1]), model.config.hidden_size)
    values = np.lib.format.open_memmap(file, mode="w+", dtype=np.float32, shape=shape)
    model.train(False)
    batches = LengthGroupedSampler(rows.lengths, batch_size, seed=None)

    def run(batch: list[int]) -> None:
        model(**model_inputs(model, rows, batch))
        for i, states in zip(batch, recorder.seen.float().cpu().numpy(), strict=True):
            values[rows.starts[i] : rows.starts[i + 1]] = states[: rows.lengths[i]]

    with _with_layers(model, [*_layers(model)[:frozen], recorder]):
        for batch in tqdm(batches, desc=f"frozen layers, {len(rows)} rows", unit=" batches", mininterval=1):
            halved_on_oom(batch, run)
    values.flush()
    return load_activations(rows, file)


def load_activations(rows: Rows, file: Path) -> Rows:
    """The rows with the activations in ``file`` as their input."""
    return Rows("inputs_embeds", np.load(file, mmap_mode="r"), rows.starts, rows.labels, rows.ids)


@torch.inference_mode()
def can_use_cls_only(model: PreTrainedModel, frozen: int, whole: Rows, part: Rows) -> bool:
    """Whether the last layer may run for the CLS token only.

    Compares the trainable part's logits with the whole model's on a few rows; a model whose trainable part gives other
    logits even with its full last layer is refused.
    """
    model.train(False)
    batch = list(range(min(4, len(whole))))
    expected = model(**model_inputs(model, whole, batch)).logits
    for cls_only in (True, False) if is_bert_layer(_layers(model)[-1]) else (False,):
        with trainable_part(model, frozen, cls_only):
            found = model(**model_inputs(model, part, batch)).logits
        if torch.allclose(found, expected, atol=TOLERANCE, rtol=TOLERANCE):
            return cls_only
    raise UserError(f"finetune.frozen_layers: {type(model).__name__} cannot be split at its layers; set it to 0")


def refuse_too_many(model: PreTrainedModel, frozen: int) -> None:
    """UserError unless at least one layer is left to train."""
    layers = len(_layers(model))
    if frozen >= layers:
        raise UserError(f"finetune.frozen_layers is {frozen}, but the model has {layers} layers; freeze fewer")


def refuse_too_large(model: PreTrainedModel, rows: Rows, folder: Path) -> None:
    """UserError unless the activations fit on the disk twice."""
    needed = 4 * int(rows.starts[-1]) * model.config.hidden_size
    free = disk_usage(folder).free
    if needed > free / 2:
        raise UserError(
            f"finetune.frozen_layers: the frozen layers' activations take {needed / 1e9:.1f} GB in {folder.parent}, "
            f"where {free / 1e9:.1f} GB are free: shorten tokenize.max_length, free disk space, or set it to 0"
        )
