"""Fine-tune the checkpoint on the tokenized rows: ``python -m tasks.finetune``.

Reads ``data/tokens/`` and the checkpoint, nothing else; writes ``models/classifier/``, ``reports/curves.csv``,
``metrics/finetune.json`` and ``reports/finetune_cost.json``. The loop is ``transformers.Trainer``'s; what it is fed,
and what it need not compute, is ours: lower layers that stay as they are run once (``frozen.py``), the last layer runs
for the first token alone where no other is read (``narrow.py``), and its weights begin at a logistic regression
(``probe.py``). The last act is the temperature (``temperature.py``).

An interrupted run goes on where it was: what it had done lies in ``.checkpoints/<fingerprint>/`` (``tasks/kept.py``).

Not covered: several GPUs, gradient accumulation.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tasks.params import Section


class Params(Section):
    """Section ``finetune``."""

    epochs: int = Field(default=3, ge=1)
    learning_rate: float = Field(default=5e-5, gt=0)
    """The highest, reached after the warm-up."""
    batch_size: int = Field(default=32, ge=1)
    """Rows a step."""
    weight_decay: float = Field(default=0.01, ge=0)
    warmup: float = Field(default=0.1, ge=0, lt=1)
    """Share of the steps over which the learning rate rises from 0."""
    scheduler: Literal["linear", "cosine", "constant_with_warmup"] = "linear"
    """How the learning rate goes on after the warm-up."""
    max_grad_norm: float = Field(default=1.0, gt=0)
    dropout: float | None = Field(default=None, ge=0, lt=1)
    """Null: as the checkpoint has it."""
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    class_weights: bool = False
    """Weigh a label by the inverse of its share of train."""
    layers: int | None = Field(default=None, ge=1)
    """Keep only so many of the checkpoint's layers, from below; null: all of them."""
    frozen_layers: int = Field(default=0, ge=0)
    """How many of the lowest layers, and the embeddings with them, stay as they are; 0: everything is trained."""
    probe: bool = True
    """Begin the last layer at a logistic regression on what the untrained model makes of the rows."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """auto: bf16 on a CUDA device that has it, else fp32."""
    checks_per_epoch: int = Field(default=1, ge=1)
    """How often an epoch validation is looked at; each gives a point of the curves."""
    checkpoint_seconds: float = Field(default=30, gt=0)
    """Between two checkpoints; longer where they would take more than 5 % of the time."""
    deterministic: bool = True
    """On a CUDA device: only kernels that give the same bytes twice. On a CPU they always do."""
    threads: int = Field(default=2, ge=1)
    """Of a CPU. The bytes of the result depend on it."""
