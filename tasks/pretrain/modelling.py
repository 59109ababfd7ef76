"""Masked language modelling: which tokens are hidden, what is lost on them, and the steps."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from tqdm import tqdm
from transformers import PreTrainedModel, get_linear_schedule_with_warmup

from tasks.core.errors import UserError
from tasks.modelling.training.checkpoint_store import Checkpoints
from tasks.modelling.training.shutdown import noticed
from tasks.pretrain import Params
from tasks.pretrain.texts import Blocks

STATE = "state.pt"
HIDDEN, REPLACED = 0.8, 0.1  # of the tokens to be told; the rest stays (Devlin et al. 2019)
NO_LOSS = -100


@dataclass(frozen=True)
class Masking:
    """How tokens are hidden; the same (seed, number) hides the same ones."""

    share: float
    mask: int
    special: frozenset[int]
    vocabulary: int

    def __call__(self, rows: Blocks, *seed: int) -> tuple[torch.Tensor, torch.Tensor]:
        """What the model is shown, and where and what it has to tell: two of [rows, tokens], -100 elsewhere."""
        random = np.random.default_rng(seed)
        chosen = (random.random(rows.shape) < self.share) & ~np.isin(rows, list(self.special))
        lot = random.random(rows.shape)
        shown = np.where(chosen & (lot < HIDDEN), self.mask, rows)
        other = random.integers(0, self.vocabulary, rows.shape)
        shown = np.where(chosen & (lot >= HIDDEN) & (lot < HIDDEN + REPLACED), other, shown)
        return torch.from_numpy(shown), torch.from_numpy(np.where(chosen, rows, NO_LOSS))


@contextmanager
def _told_only(model: PreTrainedModel) -> Iterator[list[torch.Tensor]]:
    """Within the block the last layer, a matrix as wide as the vocabulary, runs for the tokens to be told alone.

    Their places go into the list before each call.
    """
    places: list[torch.Tensor] = []
    last: Any = model.get_output_embeddings()  # type: ignore[no-untyped-call]
    if not isinstance(last, nn.Linear):
        raise UserError(f"pretrain: {type(model).__name__} does not end in a linear layer over its vocabulary")
    hook = last.register_forward_pre_hook(lambda _, given: (given[0][places.pop()],))
    try:
        yield places
    finally:
        hook.remove()


def _loss(model: PreTrainedModel, places: list[torch.Tensor], shown: torch.Tensor, told: torch.Tensor) -> torch.Tensor:
    """Mean cross-entropy of the tokens to be told, in nats."""
    there = (told != NO_LOSS).to(model.device)
    places.append(there)
    logits = model(input_ids=shown.to(model.device)).logits
    return cross_entropy(logits.float(), told.to(model.device)[there])


@torch.inference_mode()
def perplexity(model: PreTrainedModel, rows: Blocks, masking: Masking, batch_size: int, seed: int) -> float:
    """exp of the mean cross-entropy on the hidden tokens of ``rows``, the same tokens at every call."""
    model.train(False)
    lost, count = 0.0, 0
    with _told_only(model) as places:
        for start in tqdm(range(0, len(rows), batch_size), desc="perplexity", unit=" batches", mininterval=1):
            shown, told = masking(rows[start : start + batch_size], seed, start)
            number = int((told != NO_LOSS).sum())
            if number:
                lost, count = lost + _loss(model, places, shown, told).item() * number, count + number
    if not count:
        raise UserError(
            "pretrain: no token of the held-out texts was hidden: raise pretrain.held_out or pretrain.masked"
        )
    return math.exp(lost / count)


def _optimizer(model: PreTrainedModel, section: Params) -> torch.optim.AdamW:
    """No decay for biases and norms."""
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    groups = [
        {"params": [w for w in weights if w.ndim > 1], "weight_decay": section.weight_decay},
        {"params": [w for w in weights if w.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=section.learning_rate)


def train(model: PreTrainedModel, rows: Blocks, masking: Masking, section: Params, seed: int, keep: Path) -> int:
    """Train ``model`` in place and give the number of steps; checkpoints are kept in ``keep``.

    A step's rows, masks and dropout follow from (seed, step), so a checkpoint need not hold the state of any generator.
    """
    per_epoch = -(-len(rows) // section.batch_size)
    steps = per_epoch * section.epochs
    optimizer = _optimizer(model, section)
    warmup = round(section.warmup * steps)
    schedule = get_linear_schedule_with_warmup(optimizer, warmup, steps)  # type: ignore[no-untyped-call]
    checkpoints = Checkpoints(keep, section.checkpoint_seconds)
    parts: dict[str, Any] = {"model": model, "optimizer": optimizer, "schedule": schedule}
    begin = _resumed(checkpoints, parts)
    model.train(True)
    with noticed() as leaving, _told_only(model) as places, _bar(begin, steps) as bar:
        for step in range(begin, steps):
            order = np.random.default_rng([seed, step // per_epoch]).permutation(len(rows))
            batch = rows[order[step % per_epoch * section.batch_size :][: section.batch_size]]
            torch.manual_seed(seed * 1_000_003 + step)
            loss = _loss(model, places, *masking(batch, seed, step, 1))
            if not torch.isfinite(loss):
                raise UserError(f"pretrain: the loss is {loss.item()} at step {step + 1}: lower pretrain.learning_rate")
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            bar.update()
            bar.set_postfix(loss=f"{loss.item():.3f}", refresh=False)
            if leaving or checkpoints.due:
                checkpoints.keep(step + 1, lambda folder: _write(parts, folder))
            if leaving:
                tqdm.write(f"stopped after step {step + 1} of {steps}, as asked")
                raise SystemExit(leaving.code)
    return steps


def _bar(begin: int, steps: int) -> tqdm[Any]:
    return tqdm(total=steps, initial=begin, desc="pretrain", unit=" steps", mininterval=1, dynamic_ncols=True)


def _write(parts: dict[str, Any], folder: Path) -> None:
    torch.save({name: part.state_dict() for name, part in parts.items()}, folder / STATE)


def _resumed(checkpoints: Checkpoints, parts: dict[str, Any]) -> int:
    """Put the newest checkpoint's state into the parts; the steps that were done."""
    folder = checkpoints.latest()
    if folder is None:
        return 0
    for name, state in torch.load(folder / STATE, map_location="cpu", weights_only=True).items():
        parts[name].load_state_dict(state)
    done = int(folder.name.rpartition("-")[2])
    print(f"going on from step {done}, kept in {folder}", flush=True)
    return done
