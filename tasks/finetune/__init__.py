"""Fine-tune the checkpoint on the tokenized rows: ``python -m tasks.finetune``.

Reads ``data/tokens/`` and the checkpoint (or ``warm_start``'s folder), nothing else; writes ``models/classifier/``,
``reports/curves.csv``, ``metrics/finetune.json`` and ``reports/finetune_cost.json``. The loop is
``transformers.Trainer``'s (``tasks/modelling/training/trainer.py``). Batches and savings are ours: frozen layers run
once (``frozen.py``), and not again for a training that needs the same (``kept_pass.py``), the last layer runs for the
CLS token only where no other is read (``tasks/modelling/cls_only.py``), embeddings of tokens that never occur are not
updated (``vocabulary.py``), the last layer starts as a linear probe (``probe.py``), and temperature scaling comes last
(``temperature.py``). Images: ``image_batches.py``.

An interrupted run resumes from its checkpoint in ``.checkpoints/<fingerprint>/``
(``tasks/modelling/training/checkpoint_store.py``).

With ``processes`` the stage starts torch's elastic launcher (``launch.py``), and each process runs ``transformer.run``
on its share of every batch (``shared_trainer.py``).

Not covered: a model that does not fit on one device.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from tasks.core.params import Section
from tasks.modelling.decision import Rule

DVCLIVE = Path("dvclive")


class Lora(Section):
    """Section ``finetune.lora``."""

    rank: int = Field(default=8, ge=1)
    alpha: float | None = Field(default=None, gt=0)
    """Scale of the adapters, divided by the rank; null: twice the rank."""
    dropout: float = Field(default=0.0, ge=0, lt=1)


class Augmentation(Section):
    """Section ``finetune.augmentation``: of images, in training."""

    shift: int = Field(default=2, ge=0)
    """Maximum shift in pixels, vertical and horizontal; the margin is filled black."""
    flip: bool = False
    """Flip half of the images horizontally; not for digits and letters."""


class WarmStart(Section):
    """Section ``finetune.warm_start``."""

    folder: str
    """Folder of an earlier classifier, in the repository."""
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    """Of its model.safetensors."""


class Params(Section):
    """Section ``finetune``."""

    RENAMED: ClassVar[Mapping[str, str]] = {"checks_per_epoch": "evals_per_epoch", "check_rows": "eval_rows"}

    epochs: int = Field(default=3, ge=1)
    learning_rate: float = Field(default=5e-5, gt=0)
    """Peak, reached after the warm-up."""
    batch_size: int = Field(default=32, ge=1)
    """Rows per step."""
    batch_tokens: int | None = Field(default=None, ge=1)
    """Maximum tokens per step, padding included, instead of batch_size: many short rows or few long ones."""
    accumulation: int = Field(default=1, ge=1)
    """Micro-batches per batch: less memory, the same step. Doubled automatically when memory runs out."""
    weight_decay: float = Field(default=0.01, ge=0)
    warmup: float = Field(default=0.1, ge=0, lt=1)
    """Share of the steps over which the learning rate rises from 0."""
    scheduler: Literal[
        "linear", "cosine", "cosine_with_restarts", "polynomial", "inverse_sqrt", "constant", "constant_with_warmup"
    ] = "linear"
    """Learning rate after the warm-up; constant has no warm-up."""
    loss: Literal["cross_entropy", "mse", "focal"] = "cross_entropy"
    """Loss function (``objectives.py``)."""
    focal_gamma: float = Field(default=2.0, ge=0)
    """Of the focal loss: down-weighting of well-classified rows; 0 is cross-entropy."""
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
    """Weight each label by the inverse of its share of train."""
    layers: int | None = Field(default=None, ge=1)
    """Use only the lowest ``layers`` of the checkpoint; null: all."""
    frozen_layers: Annotated[int, Field(ge=0)] | Literal["auto"] = 0
    """Freeze the embeddings and this many of the lowest layers; 0: train everything; auto: two thirds of the layers
    where their output can be computed once, else 0."""
    lora: Lora | None = None
    """Train low-rank adapters and merge them at the end; null: train the layers themselves."""
    augmentation: Augmentation | None = None
    """Of images; null: none."""
    warm_start: WarmStart | None = None
    """Start from the weights of an earlier classifier; null: from the checkpoint."""
    probe: bool = True
    """Initialise the last layer with a logistic regression on the untrained model's embeddings."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """auto: bf16 on a CUDA device that supports it (and TF32 for what stays float32), else fp32. bf16 is for a CPU with
    AVX512-BF16 or AMX-BF16 too. Weights, optimizer, loss and the frozen layers' pass stay in fp32."""
    evals_per_epoch: int = Field(default=1, ge=1)
    """Evaluations on validation rows per epoch; each is a point of the curves."""
    dvclive: bool = False
    """Write the curves live to dvclive/ too; needs DVCLive: pip install -c requirements.lock -e '.[dvclive]'."""
    checkpoint_seconds: float = Field(default=5, gt=0)
    """Between two checkpoints; longer where they would take more than 5 % of the time."""
    eval_rows: int | None = Field(default=None, ge=1)
    """Validation rows per evaluation, always the same; all at the end; null: all."""
    early_stopping: int | None = Field(default=None, ge=1)
    """Patience in evaluations without a lower validation loss; the best weights are used. Null: never stop early."""
    deterministic: bool = True
    """On a CUDA device: deterministic kernels only. CPU kernels are always deterministic."""
    decision: Rule = Rule()
    """When ``score`` acts on a prediction and when it abstains; thresholds are chosen on validation rows."""
    processes: int = Field(default=1, ge=1)
    """Processes that train together, each with its own copy of the model and its share of every batch; on GPUs one for
    each. The result's bytes depend on it."""
    threads: int | None = Field(default=2, ge=1)
    """CPU threads of each process. The result's bytes depend on it. Null: one per core."""
    attention: Literal["auto", "sdpa", "eager", "flash_attention_2"] = "auto"
    """Attention implementation; auto: torch's own (sdpa)."""
    gradient_checkpointing: bool = False
    """Keep each layer's input and compute the rest again on the way back: the same weights with far less memory, in a
    third more time."""
    fused: bool = True
    """Of adamw: the fused kernel."""
    compile: bool = False
    """Use torch.compile; the first steps take a minute or more."""
    workers: int = Field(default=0, ge=0)
    """Data loader processes. Rows are tokenized and in memory: 0 is enough except on the fastest devices."""
