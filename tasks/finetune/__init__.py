"""Fine-tune the checkpoint on the tokenized rows: ``python -m tasks.finetune``.

Reads ``data/tokens/`` and the checkpoint (or ``warm_start``'s folder), nothing else; writes ``models/classifier/``,
``reports/curves.csv``, ``metrics/finetune.json`` and ``reports/finetune_cost.json``. The loop is
``transformers.Trainer``'s; what it is fed, and what it need not compute, is ours: lower layers that stay as they are
run once (``frozen.py``), the last layer runs for the first token alone where no other is read (``narrow.py``), tokens
that never occur are not walked over (``vocabulary.py``), and the last layer's weights begin at a logistic regression
(``probe.py``). Images are fed by ``pictures.py``. The last act is the temperature (``temperature.py``).

An interrupted run goes on where it was: what it had done lies in
``.checkpoints/<fingerprint>/`` (``tasks/modelling/training/checkpoint_store.py``).

Not covered: several GPUs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from tasks.core.params import Section
from tasks.modelling.decision import Rule

DVCLIVE = Path("dvclive")


class Lora(Section):
    """Section ``finetune.lora``."""

    rank: int = Field(default=8, ge=1)
    alpha: float | None = Field(default=None, gt=0)
    """What the adapters' sum is scaled by, over the rank; null: twice the rank."""
    dropout: float = Field(default=0.0, ge=0, lt=1)


class Augmentation(Section):
    """Section ``finetune.augmentation``: how images are varied in training."""

    shift: int = Field(default=2, ge=0)
    """Pixels that an image is moved by at most, up or down and sideways; what it leaves is black."""
    flip: bool = False
    """Mirror half of them, left to right: not for what a mirror makes something else, as digits and letters."""


class WarmStart(Section):
    """Section ``finetune.warm_start``."""

    folder: str
    """Of an earlier classifier, in the repository."""
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    """Of its model.safetensors."""


class Params(Section):
    """Section ``finetune``."""

    epochs: int = Field(default=3, ge=1)
    learning_rate: float = Field(default=5e-5, gt=0)
    """The highest, reached after the warm-up."""
    batch_size: int = Field(default=32, ge=1)
    """Rows a step."""
    batch_tokens: int | None = Field(default=None, ge=1)
    """Tokens a step at most, padding included, in place of batch_size: many short rows or few long ones."""
    accumulation: int = Field(default=1, ge=1)
    """In how many parts the gradient of a batch is computed: less memory, the same step. Doubled by itself when memory
    does not suffice."""
    weight_decay: float = Field(default=0.01, ge=0)
    warmup: float = Field(default=0.1, ge=0, lt=1)
    """Share of the steps over which the learning rate rises from 0."""
    scheduler: Literal[
        "linear", "cosine", "cosine_with_restarts", "polynomial", "inverse_sqrt", "constant", "constant_with_warmup"
    ] = "linear"
    """How the learning rate goes on after the warm-up; constant has none."""
    loss: Literal["cross_entropy", "mse", "focal"] = "cross_entropy"
    """What is minimised (``named.py``)."""
    focal_gamma: float = Field(default=2.0, ge=0)
    """Of the focal loss: how much less a row counts that is told well already; 0 is the cross-entropy."""
    optimizer: Literal["adamw", "adam", "sgd"] = "adamw"
    momentum: float = Field(default=0.9, ge=0, lt=1)
    """Of sgd."""
    activation: Literal["relu", "gelu", "sigmoid", "tanh"] | None = None
    """Of the hidden layers. Null: as the checkpoint or the family has it."""
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
    lora: Lora | None = None
    """Train small matrices beside the layers' own, and fold them in at the end; null: train the layers themselves."""
    augmentation: Augmentation | None = None
    """Of images; null: every epoch sees them as they are."""
    warm_start: WarmStart | None = None
    """Begin at the weights of an earlier classifier; null: at the checkpoint's."""
    probe: bool = True
    """Begin the last layer at a logistic regression on what the untrained model makes of the rows."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """auto: bf16 on a CUDA device that has it (and TF32 for what stays in float32), else fp32."""
    checks_per_epoch: int = Field(default=1, ge=1)
    """How often an epoch validation is looked at; each gives a point of the curves."""
    dvclive: bool = False
    """Write the curves as they grow to dvclive/ as well, through DVCLive."""
    checkpoint_seconds: float = Field(default=30, gt=0)
    """Between two checkpoints; longer where they would take more than 5 % of the time."""
    check_rows: int | None = Field(default=None, ge=1)
    """So many validation rows, always the same, are looked at in a check, and all at the end; null: all."""
    early_stopping: int | None = Field(default=None, ge=1)
    """End after so many checks without a lower validation loss, and keep the weights of the best; null: never."""
    deterministic: bool = True
    """On a CUDA device: only kernels that give the same bytes twice. On a CPU they always do."""
    decision: Rule = Rule()
    """When ``score`` acts on a prediction and when it abstains; chosen on the validation rows."""
    threads: int | None = Field(default=2, ge=1)
    """Of a CPU. The bytes of the result depend on it. Null: as many as there are cores."""
    attention: Literal["auto", "sdpa", "eager", "flash_attention_2"] = "auto"
    """The kernel of the attention; auto: torch's own (sdpa)."""
    fused: bool = True
    """Of adamw: its step in one kernel, not as a loop over the weights."""
    compile: bool = False
    """Have torch.compile write kernels for this model; takes a minute or more to begin."""
    workers: int = Field(default=0, ge=0)
    """Processes that collect batches. The rows are tokenized and in memory: 0 is enough but for the fastest devices."""
