"""Run the trained classifier on rows; no other stage does.

``python -m tasks.score --window reference`` (or ``current``) scores the pipeline's rows: for reference the validation
rows, then the test rows, nothing trained on. It writes ``scored.parquet`` and ``embeddings.npy``, row for row, and for
reference ``behaviour.parquet``: the texts of the tests in ``behaviour.yaml`` (of current it has no rows).

By hand, without touching the pipeline's outputs::

    driftline score --text "Dear friend, you have won"
    driftline score --image digit.png
    driftline score --input mails.csv --output scored.csv --column text

``decision`` is the label to act on by the thresholds in the model's config (``tasks.modelling.decision``); null:
abstain.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tasks.core.params import Section

Precision = Literal["fp32", "bf16"]


class Params(Section):
    """Section ``score``."""

    batch_size: int = Field(default=32, ge=1)
    """Rows per batch; of a transformer on a CPU fewer, so that a batch has at most 1,024 tokens."""
    threads: int = Field(default=2, ge=1)
    """CPU threads. The last digits of the result depend on it."""
    precision: Precision = "fp32"
    """bf16: the forward pass under autocast, for a GPU or a CPU with AVX512-BF16 or AMX-BF16; the last layer and the
    softmax stay in float32. The label of some rows can change: a sample is scored in fp32 too, ``metrics/`` has the
    difference, and too large a one is refused. Not for ``model.family: linear``."""
