"""A warm start: the weights of a classifier that was trained before, the champion's say, in place of the checkpoint's.

``finetune.warm_start`` names its folder and the sha256 of its weights, so that the same ``params.yaml`` means the same
weights: DVC sees the parameter, not the folder.
"""

from __future__ import annotations

from pathlib import Path

from transformers import PreTrainedModel

from tasks.core.errors import UserError
from tasks.core.params import Model
from tasks.finetune import Params, WarmStart
from tasks.modelling.checkpoints import checkpoint
from tasks.modelling.training.checkpoint_store import digest

WEIGHTS = "model.safetensors"


def started(start: WarmStart, labels: list[str], section: Params, tokenizer: Path) -> tuple[PreTrainedModel, bool]:
    """The earlier classifier, and whether it brings the last layer: it does for the same labels in the same order, and
    otherwise the last layer is drawn anew."""
    folder = Path(start.folder)
    _refuse_other(folder, start.sha256, tokenizer)
    known, _ = checkpoint.labels_and_width(folder)
    source = checkpoint.resolve(Model(name=str(folder)))
    model = checkpoint.classifier(
        source,
        labels,
        layers=section.layers,
        dropout=section.dropout,
        activation=section.activation,
        reads=checkpoint.reads(folder),
    )
    if known != labels:
        last = checkpoint.last_layer(model)
        last.weight.data.normal_(0.0, float(getattr(model.config, "initializer_range", None) or 0.02))
        last.bias.data.zero_()
    return model, known == labels


def _refuse_other(folder: Path, sha256: str, tokenizer: Path) -> None:
    weights = folder / WEIGHTS
    if not weights.is_file():
        raise UserError(
            f"finetune.warm_start: there is no {weights}. `dvc get . models/classifier --rev TAG -o {folder}`"
        )
    found = digest(weights)
    if found != sha256:
        raise UserError(
            f"finetune.warm_start: the sha256 of {weights} is {found}, not the one of params.yaml ({sha256})"
        )
    name = checkpoint.PROCESSOR if checkpoint.reads(folder) == "image" else "tokenizer.json"
    own, others = (place / name for place in (tokenizer, folder))
    if not (own.is_file() and others.is_file()) or digest(own) != digest(others):
        raise UserError(f"finetune.warm_start: {folder} reads other tokens than `model`'s: name the model it came from")
