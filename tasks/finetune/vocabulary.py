"""Train the embeddings of only those tokens that occur in the rows.

Other tokens have no gradient, yet the optimizer updates all of them at every step, which on short texts takes much of
the time. Here they are left out and keep the checkpoint's values (no weight decay).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import torch
from torch import nn
from transformers import PreTrainedModel

from tasks.core.faults import is_machines
from tasks.finetune.batching import Rows, model_inputs, pad_token_id, passes


@contextmanager
def only_used_tokens(model: PreTrainedModel, *splits: Rows, sample: Rows | None = None) -> Iterator[list[Rows]]:
    """Within the block the embedding holds only the tokens that occur in the splits, which are yielded renumbered.

    The padding token, from which some models derive positions, keeps its id. A model that gives the rows of ``sample``,
    which are among them, other logits by their new numbers keeps the whole embedding: it looks for the end token, say.
    """
    whole = _embedding(model)
    if whole is None:
        yield list(splits)
        return
    used = np.unique(np.concatenate([np.arange(pad_token_id(model) + 1), *(rows.values for rows in splits)]))
    number = np.zeros(whole.num_embeddings, np.int32)
    number[used] = np.arange(len(used))
    part = nn.Embedding(len(used), whole.embedding_dim, whole.padding_idx, device=whole.weight.device)
    places = torch.from_numpy(used.astype(np.int64)).to(whole.weight.device)
    part.weight.data.copy_(whole.weight.data[places])
    part.weight.requires_grad_(whole.weight.requires_grad)
    expected = None if sample is None else _logits(model, sample)
    model.set_input_embeddings(part)
    if sample is not None and not _same(model, replace(sample, values=number[sample.values]), expected):
        model.set_input_embeddings(whole)
        yield list(splits)
        return
    try:
        yield [replace(rows, values=number[rows.values]) for rows in splits]
    finally:
        whole.weight.data[places.to(whole.weight.device)] = part.weight.data.to(whole.weight.device)
        model.set_input_embeddings(whole)


@torch.inference_mode()
def _logits(model: PreTrainedModel, rows: Rows) -> torch.Tensor:
    model.train(False)
    batches = passes(model, rows, len(rows))
    return torch.cat([model(**model_inputs(model, rows, batch)).logits for batch in batches])


def _same(model: PreTrainedModel, rows: Rows, expected: torch.Tensor | None) -> bool:
    try:
        return expected is not None and torch.allclose(_logits(model, rows), expected, atol=1e-5)
    except Exception as error:  # an id that the model looks for may be gone
        if is_machines(error):
            raise
        return False


def _embedding(model: PreTrainedModel) -> nn.Embedding | None:
    """The model's token embedding; None when it has none, or not a plain table."""
    try:
        found = model.get_input_embeddings()
    except NotImplementedError:
        return None
    if type(found) is nn.Embedding and found.padding_idx in (None, pad_token_id(model)):
        return found
    return None
