"""What is said of one explained prediction, whatever explains it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tasks.core.errors import UserError

Pieces = list[tuple[str, float]]
Contrast = tuple[int, int | None]
"""The numbers of the label that is explained and of the one that it is compared with."""


class Unexplained(UserError):
    """A model whose predictions cannot be explained; all else of it works."""


@dataclass(frozen=True)
class Explained:
    """One prediction, token by token."""

    pieces: Pieces
    """The text in order, cut into its tokens and what is between them, with their attributions; between: 0."""
    predicted: str
    other: str | None
    """The label that ``predicted`` is compared with; None, where a row may have several: that it is not there."""
    margin: float
    """Logit of ``predicted`` minus that of ``other``."""
    masked_margin: float
    """The same for the text with every token masked."""
    error: float
    """How far the attributions sum from ``margin - masked_margin``, as a share of it."""
    steps: int
    complete: bool
    """Whether the error is within the tolerance."""
    unread: str
    """The end of the text that was truncated; of a pair of both."""
    second: Pieces | None = None
    """The same of the second text of a pair."""


def contrast(
    logits: npt.NDArray[Any], config: Mapping[str, Any], labels: list[str], label: str | None, other: str | None
) -> Contrast:
    """Of a text's logits [labels]: the answer, or ``label`` where a row may have several, against ``other``.
    ``config``: the model's ``config.json``."""
    likeliest, second = np.argsort(-logits, kind="stable")[[0, min(1, len(logits) - 1)]].tolist()
    if config.get("problem_type") == "multi_label_classification":
        return labels.index(label) if label in labels else likeliest, None
    return likeliest, labels.index(other) if other in labels else second


def margin_of(logits: Any, of: Contrast) -> Any:
    """Of logits [..., labels], numpy's or torch's: the label's, less the other's if there is one."""
    label, other = of
    return logits[..., label] if other is None else logits[..., label] - logits[..., other]
