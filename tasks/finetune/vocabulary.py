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

from tasks.finetune.batching import Rows


@contextmanager
def only_used_tokens(model: PreTrainedModel, *splits: Rows) -> Iterator[list[Rows]]:
    """Within the block the embedding holds only the tokens that occur in the splits, which are yielded renumbered.

    The padding token, from which some models derive positions, keeps its id.
    """
    whole = _embedding(model)
    if whole is None:
        yield list(splits)
        return
    used = np.unique(
        np.concatenate([np.arange((model.config.pad_token_id or 0) + 1), *(rows.values for rows in splits)])
    )
    number = np.zeros(whole.num_embeddings, np.int32)
    number[used] = np.arange(len(used))
    part = nn.Embedding(len(used), whole.embedding_dim, whole.padding_idx, device=whole.weight.device)
    places = torch.from_numpy(used.astype(np.int64)).to(whole.weight.device)
    part.weight.data.copy_(whole.weight.data[places])
    part.weight.requires_grad_(whole.weight.requires_grad)
    model.set_input_embeddings(part)
    try:
        yield [replace(rows, values=number[rows.values]) for rows in splits]
    finally:
        whole.weight.data[places.to(whole.weight.device)] = part.weight.data.to(whole.weight.device)
        model.set_input_embeddings(whole)


def _embedding(model: PreTrainedModel) -> nn.Embedding | None:
    """The model's token embedding; None when it has none, or not a plain table."""
    try:
        found = model.get_input_embeddings()
    except NotImplementedError:
        return None
    return found if type(found) is nn.Embedding and found.padding_idx in (None, model.config.pad_token_id) else None
