"""Continue pre-training the checkpoint on the domain's unlabelled text: ``python -m tasks.pretrain``.

Masked language modelling with transformers' collator and ``Trainer`` (Devlin et al. 2019; Gururangan et al. 2020,
"Don't Stop Pretraining") on the train texts and those of ``pretrain.source``, each text once. Validation and test are
never read. Writes ``models/pretrained/``, from which ``finetune`` then starts, and ``metrics/pretrain.json`` with the
perplexity before and after on texts held out of the same pool.

With ``epochs: 0`` (the default) the stage leaves a marker, and ``finetune`` starts from the checkpoint itself.

Texts are concatenated and split into blocks of ``tokenize.max_length`` tokens, without truncation or padding (Liu et
al. 2019). An interrupted run resumes from its checkpoint, like ``finetune``.

Not covered: several GPUs, half precision, and a source that holds test texts: keep them out of it.
"""

from __future__ import annotations

from pydantic import Field

from tasks.core.params import Section


class Params(Section):
    """Section ``pretrain``."""

    epochs: int = Field(default=0, ge=0)
    """0: no pre-training."""
    source: str = "data/splits/train.parquet"
    """More texts: a parquet or jsonl file, or a text file with one text a line. The default adds none to train's."""
    column: str = "text"
    """The text column of a parquet or jsonl source."""
    learning_rate: float = Field(default=1e-4, gt=0)
    """Peak; linear warm-up, then linear decay to 0."""
    batch_size: int = Field(default=32, ge=1)
    """Blocks per step."""
    weight_decay: float = Field(default=0.01, ge=0)
    warmup: float = Field(default=0.1, ge=0, lt=1)
    """Share of the steps."""
    masked: float = Field(default=0.15, gt=0, lt=1)
    """Share of the tokens that are predicted: 80 % masked, 10 % replaced by a random token, 10 % unchanged."""
    held_out: float = Field(default=0.05, gt=0, lt=1)
    """Share of the texts held out for the perplexity; 500 at most."""
    checkpoint_seconds: float = Field(default=30, gt=0)
    """Between two checkpoints; longer where they would take more than 5 % of the time."""
    threads: int = Field(default=2, ge=1)
    """CPU threads. The result's bytes depend on it."""
