"""What a model and the section can do together, tried on a few rows before the first step.

Each row is run alone and beside others, in float32 on the CPU: it must get the same answer. Where padding changes it,
only rows of one length share a batch, in training and in scoring; where anything else does, the model is refused. What
the section asks for by a default steps aside with a line where the model cannot do it; what it asks for by a number is
refused.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from transformers import PreTrainedModel

from tasks.core.errors import UserError
from tasks.core.faults import is_machines
from tasks.core.task import Task
from tasks.finetune import Params, frozen, lora, objectives, temperature
from tasks.finetune.batching import Rows, min_rows, model_inputs, passes
from tasks.modelling.checkpoints.checkpoint import last_layer
from tasks.modelling.checkpoints.head import EQUAL_LENGTHS, watching_last_layer
from tasks.modelling.checkpoints.loader import first_line
from tasks.modelling.targets import registry

TOLERANCE = 1e-5  # of a probability, and of an embedding as a share of the largest
EMBEDDING_TOLERANCE = 1e-4
Answer = tuple[torch.Tensor, torch.Tensor]  # logits and embeddings, row for row
SPREAD = 5  # rows that are tried, from the shortest to the longest
LARGE = 1_000_000_000  # weights above which no gradient is tried


@dataclass(frozen=True)
class Settled:
    """What was found."""

    section: Params
    """The section with what steps aside off, and ``frozen_layers`` a number."""
    sample: Rows
    """The rows that were tried."""
    scaled: list[nn.Linear]
    """The layers that the temperature is folded into."""
    cls_only: bool | None
    """Whether the last layer may run for the CLS token only; None where the layers' output cannot be computed once."""


def settle(model: PreTrainedModel, rows: Rows, section: Params, longest: int | None = None) -> Settled:
    """Try ``model``, on the CPU, on some of ``rows`` and on one of ``longest`` tokens; UserError where it cannot be
    trained. The model and every random state are as before, but for ``config.equal_length_batches``."""
    sample = _sample(rows, longest)
    with _undisturbed(model):
        logits = _refuse_batch_dependent(model, sample)
        _refuse_untrainable(model, sample, section)
        model.train(False)
        with torch.inference_mode(False), torch.no_grad():
            scaled = _scaled(model, sample)
            probe = section.probe and _can_probe(model, sample)
        if section.lora is not None:
            lora.refuse_unfit(model, section.lora, lambda: _logits(model, sample, range(1)), logits[:1])
        depth, cls_only = _frozen_layers(model, sample, section)
    section = section.model_copy(update={"probe": probe, "frozen_layers": depth})
    return Settled(section, sample, scaled, cls_only)


def _sample(rows: Rows, longest: int | None) -> Rows:
    """Rows from the shortest to the longest, two of one length if there are; of texts also one of ``longest`` tokens,
    and one of half as many as the longest row."""
    order = np.argsort(rows.lengths, kind="stable")
    chosen = set(order[np.linspace(0, len(order) - 1, SPREAD).astype(int)].tolist())
    same = np.flatnonzero(np.diff(rows.lengths[order]) == 0)
    if len(same):
        middle = int(same[len(same) // 2])
        chosen |= {int(order[middle]), int(order[middle + 1])}
    sample = rows.take(sorted(chosen, key=lambda i: (rows.lengths[i], i)))
    if rows.key != "input_ids":
        return sample
    most = int(sample.lengths.max())
    for length in {(most + 2) // 2, max(longest or 0, most)} - {most}:
        sample = _with_row_of(length, sample)
    return sample


def _with_row_of(length: int, rows: Rows) -> Rows:
    """The rows and one more, made of the inner tokens of the longest between its first and its last."""
    inside = slice(rows.starts[i := int(rows.lengths.argmax())], rows.starts[i + 1])

    def made(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        whole = values[inside]
        inner = whole[1:-1] if len(whole) > 2 else whole
        return np.concatenate([values, whole[:1], np.resize(inner, max(length - 2, 0)), whole[-1:]])

    values = made(rows.values)
    return replace(
        rows,
        values=values,
        types=None if rows.types is None else made(rows.types),
        starts=np.r_[rows.starts, len(values)],
        labels=np.concatenate([rows.labels, rows.labels[i : i + 1]]),
        ids=None,
    )


@contextmanager
def _undisturbed(model: PreTrainedModel) -> Iterator[None]:
    """Within the block anything may be tried: random states, buffers, gradients and the mode are put back after it."""
    before, numpy_state, state = model.training, np.random.get_state(), random.getstate()
    buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
    with torch.random.fork_rng():
        try:
            yield
        finally:
            np.random.set_state(numpy_state)
            random.setstate(state)
            model.zero_grad()
            with torch.no_grad():
                for name, buffer in model.named_buffers():
                    if name in buffers and buffer.shape == buffers[name].shape:
                        buffer.copy_(buffers[name])
            model.train(before)


@torch.inference_mode()
def _run(model: PreTrainedModel, rows: Rows, batch: range | list[int]) -> Answer:
    """Logits and embeddings of some rows in one batch."""
    with watching_last_layer(model) as seen:
        inputs = model_inputs(model, rows, batch)
        logits = model(**inputs).logits
        embeddings = seen.embeddings(logits, inputs)
    if logits.shape != (len(batch), last_layer(model).out_features):
        raise ValueError(f"its logits have the shape {tuple(logits.shape)}")
    return logits, embeddings


def _logits(model: PreTrainedModel, rows: Rows, batch: range | list[int]) -> torch.Tensor:
    return _run(model, rows, batch)[0]


def _refuse_batch_dependent(model: PreTrainedModel, rows: Rows) -> torch.Tensor:
    """The logits of each row alone; UserError where a row gets another answer beside others of its length."""
    model.train(False)
    alone: list[Answer] = []
    for i in range(len(rows)):
        with _explained(model, f"read {_row(rows, [i])}", _shorter(rows, i)):
            alone.append(_run(model, rows, [i]))
    if not all(bool(logits.isfinite().all()) for logits, _ in alone):
        raise UserError(f"model.name: {type(model).__name__} gives logits that are no numbers: name another model")
    if (gap := _gap(registry.of_model(model).task, alone[:1], _run(model, rows, [0]))) is not None:
        raise UserError(
            f"model.name: {type(model).__name__} gives a row another answer each time (by {gap:.1g}): "
            "name another model"
        )
    if _same_in_batches(model, rows, alone, [list(range(len(rows)))]) is not None:
        setattr(model.config, EQUAL_LENGTHS, True)
        why = _same_in_batches(model, rows, alone, passes(model, rows, len(rows)).of_epoch(0))
        if why is not None:
            delattr(model.config, EQUAL_LENGTHS)
            raise UserError(
                f"model.name: {type(model).__name__} gives a row another answer beside other rows ({why}): "
                "name another model"
            )
        print(
            f"padding changes the answers of {type(model).__name__}: only rows of one length share a batch",
            flush=True,
        )
    return torch.cat([logits for logits, _ in alone])


def _row(rows: Rows, batch: list[int]) -> str:
    return f"a row of {rows.lengths[batch].max()} tokens" if rows.unit == "tokens" else "an image"


def _shorter(rows: Rows, i: int) -> str:
    return "lower tokenize.max_length, or name another model" if i and rows.unit == "tokens" else "name another model"


def _same_in_batches(
    model: PreTrainedModel,
    rows: Rows,
    alone: list[Answer],
    batches: list[list[int]],
) -> str | None:
    """Why the rows are not the same in these batches; None if they are."""
    for batch in batches:
        try:
            found = _run(model, rows, batch)
        except Exception as error:  # a model may say that it takes no batch
            if is_machines(error):
                raise
            return first_line(error)
        if (gap := _gap(registry.of_model(model).task, [alone[i] for i in batch], found)) is not None:
            return f"by {gap:.1g}"
    return None


def _gap(task: Task, expected: list[Answer], found: Answer) -> float | None:
    """The largest difference of a probability, or of an embedding, above its tolerance."""
    logits, embeddings = (torch.cat(parts) for parts in zip(*expected, strict=True))
    share = partial(torch.softmax, dim=1) if task == "single_label" else torch.sigmoid
    gap = float((share(logits) - share(found[0])).abs().max())
    if not gap <= TOLERANCE:
        return gap
    gap = float((embeddings - found[1]).abs().max() / embeddings.abs().max().clamp(min=1e-12))
    return None if gap <= EMBEDDING_TOLERANCE else gap


def _refuse_untrainable(model: PreTrainedModel, rows: Rows, section: Params) -> None:
    """One step's loss and gradient, which are dropped."""
    if section.gradient_checkpointing and not model.supports_gradient_checkpointing:
        raise UserError(
            f"finetune.gradient_checkpointing: {type(model).__name__} has no layers that can be computed again: set it "
            "to false"
        )
    least = min_rows(model)
    if section.batch_size < least:
        raise UserError(
            f"finetune.batch_size is {section.batch_size}, but the batch norm of {type(model).__name__} needs {least} "
            f"rows: set it to {least} or more"
        )
    alone = [[i] for i in range(len(rows))] if rows.unit == "tokens" else []
    for batch in [*passes(model, rows, max(section.batch_size, least)), *alone]:
        if len(batch) < least:
            continue
        labels = torch.from_numpy(rows.labels[batch])
        with _explained(model, f"be trained on {_row(rows, batch)}", "name another model"):
            logits = model.train()(**model_inputs(model, rows, batch)).logits
            loss = objectives.loss(logits, labels, None, section, registry.of_model(model).task)
            if model.num_parameters() <= LARGE:
                loss.backward()  # type: ignore[no-untyped-call]


def _scaled(model: PreTrainedModel, rows: Rows) -> list[nn.Linear]:
    found = temperature.scaled_by(model, lambda: _logits(model, rows, range(1)))
    if not found:
        raise UserError(
            f"model.name: the logits of {type(model).__name__} do not follow its last layer's weights: "
            "name another model"
        )
    return found


def _can_probe(model: PreTrainedModel, rows: Rows) -> bool:
    """Whether the logits are the last layer's of the embedding."""
    logits, embeddings = _run(model, rows, range(1))
    if torch.allclose(last_layer(model)(embeddings), logits, atol=frozen.TOLERANCE, rtol=frozen.TOLERANCE):
        return True
    print(f"finetune.probe: the logits of {type(model).__name__} are not those of one last layer; off", flush=True)
    return False


def _frozen_layers(model: PreTrainedModel, rows: Rows, section: Params) -> tuple[int, bool | None]:
    """The number, as it is or as ``auto`` finds it, and what ``frozen.tried`` says of it."""
    if section.frozen_layers != "auto":
        if section.frozen_layers:
            frozen.refuse_too_many(model, section.frozen_layers)
        return section.frozen_layers, frozen.tried(model, section.frozen_layers, rows)
    depth = frozen.two_thirds(model) if rows.key == "input_ids" else 0
    cls_only = frozen.tried(model, depth, rows)
    if depth and cls_only is not None:
        return depth, cls_only
    print(f"finetune.frozen_layers: no layers of {type(model).__name__} are frozen", flush=True)
    return 0, frozen.tried(model, 0, rows)


@contextmanager
def _explained(model: PreTrainedModel, what: str, remedy: str) -> Iterator[None]:
    """Whatever the model raises in the block as a UserError."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        if is_machines(error):
            raise
        raise UserError(f"model.name: {type(model).__name__} cannot {what} ({first_line(error)}): {remedy}") from error
