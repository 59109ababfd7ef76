"""The part of a model that is trained, and what the part below it makes of the rows, computed once.

A frozen layer's output for a row never changes, so it is computed before the first epoch (without dropout) and kept in
a file; the layers above are then trained on it as if it were the model's embedding.
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
from tasks.finetune.cls_only import FirstToken, fits
from tasks.finetune.feeding import LengthBatches, Rows, model_inputs
from tasks.finetune.micro_batches import in_pieces

TOLERANCE = 1e-4  # of the logits: what two orders of summation may differ by in float32


class _Given(nn.Module):
    """In the place of the embeddings: hands through the activations it is given."""

    def forward(self, *given: Any, **named: Any) -> torch.Tensor:
        found: torch.Tensor = next(
            value for value in (*given, *named.values()) if torch.is_tensor(value) and value.is_floating_point()
        )
        return found


class _Recorder(nn.Module):
    """In the place of a layer: remembers what reaches it."""

    def forward(self, hidden: torch.Tensor, *_: Any, **__: Any) -> torch.Tensor:
        self.seen = hidden
        return hidden


def in_a_list(model: PreTrainedModel) -> bool:
    """Whether a model keeps its layers in a list, one by one; ALBERT, which has one for all, does not."""
    return _find(model) is not None


def _find(model: PreTrainedModel) -> tuple[nn.Module, str] | None:
    for owner in model.base_model.modules():
        for name, child in owner.named_children():
            if isinstance(child, nn.ModuleList) and len(child) == getattr(model.config, "num_hidden_layers", None):
                return owner, name
    return None


def _place(model: PreTrainedModel) -> tuple[nn.Module, str]:
    """The module that holds the list of layers, and its name there."""
    found = _find(model)
    if found is None:
        raise UserError(f"finetune.frozen_layers: {type(model).__name__} keeps its layers in no list; set it to 0")
    return found


@contextmanager
def _with_layers(model: PreTrainedModel, chosen: list[nn.Module]) -> Iterator[None]:
    owner, name = _place(model)
    before = getattr(owner, name)
    setattr(owner, name, nn.ModuleList(chosen))
    try:
        yield
    finally:
        setattr(owner, name, before)


@contextmanager
def trained_part(model: PreTrainedModel, frozen: int, narrow: bool) -> Iterator[None]:
    """Within the block the model is its trained part only: what is frozen is neither run nor seen by an optimizer.

    With ``frozen`` layers its input is activations; with ``narrow`` the last layer runs for the first token alone.
    """
    stack = list(_stack(model))
    upper = [*stack[frozen:-1], FirstToken(stack[-1]) if narrow else stack[-1]]
    base: Any = model.base_model
    embeddings = base.embeddings if frozen else None
    with _with_layers(model, upper):
        if frozen:
            base.embeddings = _Given()
        try:
            yield
        finally:
            if frozen:
                base.embeddings = embeddings


def _stack(model: PreTrainedModel) -> nn.ModuleList:
    owner, name = _place(model)
    found: nn.ModuleList = getattr(owner, name)
    return found


@torch.inference_mode()
def activations(model: PreTrainedModel, frozen: int, rows: Rows, file: Path, batch_size: int) -> Rows:
    """What the ``frozen`` lowest layers make of the rows, [tokens, hidden] in float32, kept in ``file``."""
    recorder = _Recorder()
    shape = (int(rows.starts[-1]), model.config.hidden_size)
    values = np.lib.format.open_memmap(file, mode="w+", dtype=np.float32, shape=shape)
    model.train(False)
    batches = LengthBatches(rows.lengths, batch_size, seed=None)

    def keep(batch: list[int]) -> None:
        model(**model_inputs(model, rows, batch))
        for i, states in zip(batch, recorder.seen.float().cpu().numpy(), strict=True):
            values[rows.starts[i] : rows.starts[i + 1]] = states[: rows.lengths[i]]

    with _with_layers(model, [*_stack(model)[:frozen], recorder]):
        for batch in tqdm(batches, desc=f"frozen layers, {len(rows)} rows", unit=" batches", mininterval=1):
            in_pieces(batch, keep)
    values.flush()
    return kept_activations(rows, file)


def kept_activations(rows: Rows, file: Path) -> Rows:
    """The rows as ``activations`` left them in ``file``."""
    return Rows("inputs_embeds", np.load(file, mmap_mode="r"), rows.starts, rows.labels, rows.ids)


@torch.inference_mode()
def can_narrow(model: PreTrainedModel, frozen: int, whole: Rows, part: Rows) -> bool:
    """Whether the last layer may run for the first token alone; refuses a model that its parts do not add up to.

    Both are tried on some rows: the trained part has to give the logits of the whole.
    """
    model.train(False)
    batch = list(range(min(4, len(whole))))
    expected = model(**model_inputs(model, whole, batch)).logits
    for narrow in (True, False) if fits(_stack(model)[-1]) else (False,):
        with trained_part(model, frozen, narrow):
            found = model(**model_inputs(model, part, batch)).logits
        if torch.allclose(found, expected, atol=TOLERANCE, rtol=TOLERANCE):
            return narrow
    raise UserError(f"finetune.frozen_layers: {type(model).__name__} is not the sum of its layers; set it to 0")


def refuse_too_many(model: PreTrainedModel, frozen: int) -> None:
    """At least one layer has to be left to train."""
    there = len(_stack(model))
    if frozen >= there:
        raise UserError(f"finetune.frozen_layers is {frozen}, but the model has {there} layers; freeze fewer")


def refuse_too_large(model: PreTrainedModel, rows: Rows, folder: Path) -> None:
    """The activations have to fit on the disk, twice over."""
    needed = 4 * int(rows.starts[-1]) * model.config.hidden_size
    free = disk_usage(folder).free
    if needed > free / 2:
        raise UserError(
            f"finetune.frozen_layers: the frozen layers' activations take {needed / 1e9:.1f} GB in {folder.parent}, "
            f"where {free / 1e9:.1f} GB are free: shorten tokenize.max_length, make room, or set it to 0"
        )
