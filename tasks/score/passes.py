"""How many tokens and which of them the model is run on at once, where that changes the time and not the answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tasks.core.faults import is_machines
from tasks.modelling.checkpoints import head

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

TOKENS = 1024
"""Of a pass on a CPU, padding included: its activations stay in the processor's cache, and there is little padding."""
TRIED, READ = 16, 4
"""Tokens of the rows that the last layer is tried on, and of the second one those that are not masked."""
SAME = 1e-5
"""Of an embedding and a logit, relative or absolute: float32 sums in another order differ by less."""

RowNumbers = npt.NDArray[np.int64]


def most_tokens(model: PreTrainedModel) -> int | None:
    """Of a pass: no limit on a GPU, which needs full ones, and without attention: a recurrent network's steps take many
    rows at once."""
    attends = hasattr(model.config.get_text_config(), "num_attention_heads")
    return TOKENS if attends and model.device.type == "cpu" else None


def passes(lengths: Sequence[int], batch_size: int, equal: bool, tokens: int | None = None) -> list[RowNumbers]:
    """Row numbers from short to long, at most ``batch_size`` at a time and at most ``tokens`` where more than one."""
    found = []
    for rows in head.batches_of(lengths, batch_size, equal):
        size = len(rows) if tokens is None else max(1, tokens // lengths[rows[-1]])
        found += [rows[i : i + size] for i in range(0, len(rows), size)]
    return found


def trial(lengths: Sequence[int]) -> list[int]:
    """The longest row twice, for ``cls_only_last_layer``; none where so little is scored that trying does not pay."""
    enough = sum(lengths) > TOKENS and max(lengths) > READ
    return [int(np.argmax(lengths))] * 2 if enough else []


@contextmanager
def cls_only_last_layer(model: PreTrainedModel, batch: Mapping[str, torch.Tensor] | None) -> Iterator[bool]:
    """Within the block a BERT's last layer runs for the CLS token alone, if the first tokens of the two rows of
    ``batch`` are answered the same by that.

    Yields whether it does. A classifier that takes the mean of all tokens answers otherwise and stays whole.
    """
    from tasks.modelling.cls_only import ClsOnlyLayer, is_bert_layer

    layers: Any = getattr(getattr(model.base_model, "encoder", None), "layer", None)
    if batch is None or not layers or not is_bert_layer(layers[-1]):
        yield False
        return
    batch = {name: values[:, :TRIED].clone() for name, values in batch.items()}
    batch["attention_mask"][1, READ:] = 0
    whole, expected = layers[-1], _answers(model, batch)
    layers[-1] = ClsOnlyLayer(whole)
    try:
        if not (same := _answers_alike(model, batch, expected)):
            layers[-1] = whole
        yield same
    finally:
        layers[-1] = whole


def _answers(model: PreTrainedModel, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Embeddings and logits, [rows, hidden + labels]."""
    import torch

    with head.watching_last_layer(model) as seen:
        logits = model(**batch).logits
    return torch.cat([seen.embeddings(logits, batch), logits], dim=1)


def _answers_alike(model: PreTrainedModel, batch: Mapping[str, torch.Tensor], expected: torch.Tensor) -> bool:
    import torch

    try:
        found = _answers(model, batch)
    except Exception as error:  # as many as there are ways to read a layer
        if is_machines(error):
            raise
        return False
    return found.shape == expected.shape and torch.allclose(found, expected, rtol=SAME, atol=SAME)
