"""Frozen layers: their activations are computed once, and only the layers above are trained.

A frozen layer's output for a row never changes, so it is computed before the first epoch (without dropout) and stored
in a file; the layers above are then trained on it in place of the embeddings. The file serves later trainings too
(``kept_pass.py``).
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn
from tqdm import tqdm
from transformers import PreTrainedModel

from tasks.core.errors import UserError
from tasks.core.faults import is_machines
from tasks.finetune import ranks
from tasks.finetune.batching import Rows, model_inputs, passes
from tasks.finetune.micro_batches import halved_on_oom
from tasks.finetune.pieces import Pieces
from tasks.modelling.cls_only import ClsOnlyLayer, is_bert_layer

TOLERANCE = 1e-4  # of the logits: float32 sums in another order differ by less
UNREAD = ("id2label", "label2id", "decision", "problem_type", "_name_or_path")  # of a config: the head's, and names


class _EmbeddingBypass(nn.Module):
    """In place of the embeddings: returns the activations it is given."""

    def forward(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        found: torch.Tensor = next(
            value for value in (*args, *kwargs.values()) if torch.is_tensor(value) and value.is_floating_point()
        )
        return found


class _Recorded(Exception):
    """Ends a pass at a recorder."""


class _Recorder(nn.Module):
    """In place of a layer: records its input, and ends the pass there."""

    def forward(self, hidden: torch.Tensor, *_: Any, **__: Any) -> torch.Tensor:
        self.seen = hidden
        raise _Recorded


def has_layer_list(model: PreTrainedModel) -> bool:
    """Whether a model keeps its layers in a list; ALBERT, which shares one, does not."""
    return _find_layers(model) is not None


def _find_layers(model: PreTrainedModel) -> tuple[nn.Module, str] | None:
    count = getattr(model.config.get_text_config(), "num_hidden_layers", None)
    for owner in model.base_model.modules():
        for name, child in owner.named_children():
            if isinstance(child, nn.ModuleList) and len(child) == count:
                return owner, name
    return None


def two_thirds(model: PreTrainedModel) -> int:
    """How many layers ``frozen_layers: auto`` would freeze."""
    return 2 * len(_layers(model)) // 3 if has_layer_list(model) else 0


@contextmanager
def frozen_in_place(model: PreTrainedModel, depth: int) -> Iterator[None]:
    """Within the block the embeddings and the ``depth`` lowest layers run, and are not trained."""
    parts = [*_layers(model)[:depth], model.get_input_embeddings(), getattr(model.base_model, "embeddings", None)]
    with held([weight for part in parts if isinstance(part, nn.Module) for weight in part.parameters()]):
        yield


@contextmanager
def held(weights: list[nn.Parameter]) -> Iterator[None]:
    """Within the block these weights are not trained."""
    trained = [weight for weight in weights if weight.requires_grad]
    for weight in trained:
        weight.requires_grad_(False)
    try:
        yield
    finally:
        for weight in trained:
            weight.requires_grad_(True)


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
def activations(
    model: PreTrainedModel, frozen: int, rows: Rows, file: Path, batch_size: int, together: bool = False
) -> Rows:
    """The output of the ``frozen`` lowest layers for all rows, [tokens, hidden] in float32, in ``file``.

    What an earlier call for the same wrote there is not computed again (``pieces.py``). ``together``: all processes of
    a training call this with the same file, and those on the first one's machine divide the batches.
    """
    recorder = _Recorder()
    model.train(False)
    batches = passes(model, rows, batch_size)
    place, of = ranks.on_first_machine() if together else (0, 1)
    with ranks.in_turn() if together else nullcontext():
        pieces = Pieces.opened(file, rows, batches.of_epoch(0), model.config.hidden_size)

    def run(batch: list[int]) -> None:
        with suppress(_Recorded):
            model(**model_inputs(model, rows, batch))
        for i, states in zip(batch, recorder.seen.float().cpu().numpy(), strict=True):
            pieces.values[rows.starts[i] : rows.starts[i + 1]] = states[: rows.lengths[i]]

    with _with_layers(model, [*_layers(model)[:frozen], recorder]), pieces:
        bar = tqdm(
            [(number, batch) for number, batch in pieces.missing() if number % of == place],
            desc=f"frozen layers, {len(rows)} rows",
            unit=" batches",
            mininterval=1,
            disable=len(batches) == 1,
        )
        for number, batch in bar:
            halved_on_oom(batch, run)
            pieces.add(number)
    if together and ranks.count() > 1:
        ranks.wait()
        pieces = Pieces.opened(file, rows, batches.of_epoch(0), model.config.hidden_size)  # what the others wrote too
        if pieces.missing():
            raise UserError(f"finetune.frozen_layers: {file.parent} is not written by all processes: set it to 0")
    return replace(rows, key="inputs_embeds", values=pieces.values, types=None)


@torch.inference_mode()
def digest_below(model: PreTrainedModel, frozen: int) -> str:
    """A sha256 of all that the ``frozen`` lowest layers compute with: their weights, those under them, the config."""
    layers = _layers(model)
    above, below = ({id(weight) for weight in part.parameters()} for part in (layers[frozen:], layers[:frozen]))
    config = {key: value for key, value in model.config.to_dict().items() if key not in UNREAD and "dropout" not in key}
    found = hashlib.sha256(json.dumps([type(model).__qualname__, config], sort_keys=True, default=str).encode())
    for name, tensor in model.base_model.state_dict(keep_vars=True).items():
        if id(tensor) not in above - below:
            found.update(name.encode())
            found.update(tensor.detach().contiguous().cpu().flatten().view(torch.uint8).numpy().data)
    return found.hexdigest()


def shared_weights(model: PreTrainedModel, frozen: int, rows: Rows) -> list[nn.Parameter]:
    """The weights above the ``frozen`` layers that these read too, such as a table of relative positions: trained, they
    would make the activations another model's."""
    recorder = _Recorder()
    model.train(False)
    with trainable_part(model, frozen, False):
        above = [weight for weight in model.parameters() if weight.requires_grad]
    with torch.enable_grad(), _with_layers(model, [*_layers(model)[:frozen], recorder]), suppress(_Recorded):
        model(**model_inputs(model, rows, [int(rows.lengths.argmax())]))
    if not recorder.seen.requires_grad:
        return []
    gradients = torch.autograd.grad(recorder.seen.sum(), above, allow_unused=True)
    return [weight for weight, gradient in zip(above, gradients, strict=True) if gradient is not None]


def tried(model: PreTrainedModel, frozen: int, rows: Rows) -> bool | None:
    """``can_use_cls_only`` for the activations of ``rows``; None also where the model has no layers to split at."""
    if not has_layer_list(model):
        return None
    try:
        with tempfile.TemporaryDirectory() as folder:
            part = activations(model, frozen, rows, Path(folder) / "tried.npy", len(rows)) if frozen else rows
            return can_use_cls_only(model, frozen, rows, part)
    except Exception as error:  # as many as there are ways to build a model
        if is_machines(error):
            raise
        return None


@torch.inference_mode()
def can_use_cls_only(model: PreTrainedModel, frozen: int, whole: Rows, part: Rows) -> bool | None:
    """Whether the last layer may run for the CLS token only.

    Compares the trainable part's logits with the whole model's on these rows, padded as in training; None where the
    trainable part gives other logits even with its full last layer.
    """
    model.train(False)
    batches = passes(model, whole, len(whole)).of_epoch(0)
    expected = [model(**model_inputs(model, whole, batch)).logits for batch in batches]
    for cls_only in (True, False) if is_bert_layer(_layers(model)[-1]) else (False,):
        with trainable_part(model, frozen, cls_only):
            found = [model(**model_inputs(model, part, batch)).logits for batch in batches]
        if torch.allclose(torch.cat(found), torch.cat(expected), atol=TOLERANCE, rtol=TOLERANCE):
            return cls_only
    return None


def refuse_too_many(model: PreTrainedModel, frozen: int) -> None:
    """UserError unless at least one layer is left to train."""
    layers = len(_layers(model))
    if frozen >= layers:
        raise UserError(f"finetune.frozen_layers is {frozen}, but the model has {layers} layers; freeze fewer")
