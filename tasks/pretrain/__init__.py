"""Go on pre-training the checkpoint on the domain's own unlabelled text: ``python -m tasks.pretrain``.

Masked language modelling (Devlin et al. 2019; Gururangan et al. 2020, "Don't Stop Pretraining") on the train texts and
on those of ``pretrain.source``, each text once. Validation and test are never read. Writes ``models/pretrained/``, from
which ``finetune`` then starts, and ``metrics/pretrain.json`` with the perplexity before and after on texts held out of
the same pool.

With ``epochs: 0`` (the default) the stage leaves a marker, and ``finetune`` starts from the checkpoint itself.

Texts are joined and cut into blocks of ``tokenize.max_length`` tokens, so that nothing is cut off and nothing is padded
(Liu et al. 2019). An interrupted run goes on where it was, like ``finetune``.

Not covered: several GPUs, half precision, and a source that holds test texts: keep them out of it.
"""

from __future__ import annotations

from pydantic import Field

from tasks.core.params import Section


class Params(Section):
    """Section ``pretrain``."""

    epochs: int = Field(default=0, ge=0)
    """0: leave the checkpoint as it is."""
    source: str = "data/splits/train.parquet"
    """More texts: a parquet or jsonl file, or a text file with one text a line. The default adds none to train's."""
    column: str = "text"
    """Which column of a parquet or jsonl source holds them."""
    learning_rate: float = Field(default=1e-4, gt=0)
    """The highest; it rises over ``warmup`` and then falls to 0."""
    batch_size: int = Field(default=32, ge=1)
    """Blocks a step."""
    weight_decay: float = Field(default=0.01, ge=0)
    warmup: float = Field(default=0.1, ge=0, lt=1)
    """Share of the steps."""
    masked: float = Field(default=0.15, gt=0, lt=1)
    """Share of the tokens to be told; of these 80 % are hidden, 10 % replaced by any token, 10 % left."""
    held_out: float = Field(default=0.05, gt=0, lt=1)
    """Share of the texts that perplexity is measured on; 500 at most."""
    checkpoint_seconds: float = Field(default=30, gt=0)
    """Between two checkpoints; longer where they would take more than 5 % of the time."""
    threads: int = Field(default=2, ge=1)
    """Of a CPU. The bytes of the result depend on it."""
