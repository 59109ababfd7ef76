"""What a classifier ends in: the last layer, the embedding that it is given, and rows that must not be padded.

Most classifiers give their last layer one vector for each row. A decoder gives it every token and takes the logits of
the last, or their mean; then the embedding is that token's vector, or the mean of the vectors.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tasks.modelling.checkpoints.weights import last_layer

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

EQUAL_LENGTHS = "equal_length_batches"  # key of config.json, for a model whose answers padding changes

SAME = 1e-4  # of the logits of a token and of its row


@dataclass
class LastLayer:
    """The last layer in the latest pass: its input and its output."""

    given: Any = None
    made: Any = None

    def embeddings(self, logits: Tensor, batch: Mapping[str, Tensor]) -> Tensor:
        """The last layer's input behind each row of ``logits`` [rows, labels]: [rows, hidden]; ``batch``: the model's
        input."""
        import torch

        rows = len(logits)
        if self.made.ndim == 2:
            found: Tensor = self.given.reshape(rows, -1)
            return found
        made, given = self.made.reshape(rows, -1, logits.shape[1]), self.given.reshape(rows, -1, self.given.shape[-1])
        apart, token = (made - logits[:, None]).abs().amax(2).min(1)
        mask = batch.get("attention_mask")
        if float(apart.max()) > SAME and mask is not None and mask.shape == given.shape[:2]:
            mean: Tensor = (given * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
            return mean
        at_token: Tensor = given[torch.arange(rows, device=token.device), token]
        return at_token


@contextmanager
def watching_last_layer(model: PreTrainedModel) -> Iterator[LastLayer]:
    """Within the block the latest pass's last layer is kept."""
    seen = LastLayer()

    def keep(_: Any, given: tuple[Any, ...], made: Any) -> None:
        seen.given, seen.made = given[0], made

    hook = last_layer(model).register_forward_hook(keep)
    try:
        yield seen
    finally:
        hook.remove()


def needs_equal_lengths(model: PreTrainedModel) -> bool:
    """Whether only rows of one length may share a batch."""
    return bool(getattr(model.config, EQUAL_LENGTHS, False))


def batches_of(lengths: Sequence[int], batch_size: int, equal: bool) -> list[npt.NDArray[np.int64]]:
    """Row numbers from short to long, ``batch_size`` at a time; with ``equal`` only rows of one length together."""
    order = np.argsort(lengths, kind="stable")
    changes = np.flatnonzero(np.diff(np.asarray(lengths)[order])) + 1
    groups = np.split(order, changes if equal else []) if len(order) else []
    return [group[i : i + batch_size] for group in groups for i in range(0, len(group), batch_size)]
