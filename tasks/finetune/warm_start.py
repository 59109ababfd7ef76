"""Warm start: the weights of an earlier classifier, the champion's for example, in place of the checkpoint's.

``finetune.warm_start`` gives its folder and the sha256 of its weights, because DVC tracks the parameter and not the
folder.
"""

from __future__ import annotations

from pathlib import Path

from transformers import PreTrainedModel

from tasks.core.errors import UserError
from tasks.core.files import read_json, sha256_of
from tasks.core.params import Model
from tasks.finetune import Params, WarmStart
from tasks.modelling.checkpoints import checkpoint
from tasks.modelling.targets import registry
from tasks.modelling.targets.single_label import SINGLE_LABEL
from tasks.modelling.targets.target import Target

WEIGHTS, CONFIG = "model.safetensors", "config.json"


def load(
    start: WarmStart, labels: list[str], section: Params, tokenizer: Path, target: Target = SINGLE_LABEL
) -> tuple[PreTrainedModel, bool]:
    """The earlier classifier, and whether its last layer is used: for a task with the same head, and the same labels in
    the same order; otherwise the last layer is initialised at random."""
    folder = Path(start.folder)
    _refuse_mismatch(folder, start.sha256, tokenizer)
    head = registry.of_config(read_json(folder / CONFIG)).problem_type
    same = checkpoint.labels_of(folder) == labels and head == target.problem_type
    source = checkpoint.resolve(Model(name=str(folder)))
    model = checkpoint.classifier(
        source,
        labels,
        layers=section.layers,
        dropout=section.dropout,
        activation=section.activation,
        modality=checkpoint.modality_of(folder),
        problem_type=target.problem_type,
    )
    if not same:
        last = checkpoint.last_layer(model)
        last.weight.data.normal_(0.0, float(getattr(model.config, "initializer_range", None) or 0.02))
        last.bias.data.zero_()
    return model, same


def _refuse_mismatch(folder: Path, sha256: str, tokenizer: Path) -> None:
    weights = folder / WEIGHTS
    if not weights.is_file():
        raise UserError(
            f"finetune.warm_start: {weights} does not exist: run `dvc get . models/classifier --rev TAG -o {folder}`"
        )
    found = sha256_of(weights)
    if found != sha256:
        raise UserError(f"finetune.warm_start: the sha256 of {weights} is {found}, but params.yaml says {sha256}")
    name = checkpoint.PROCESSOR if checkpoint.modality_of(folder) == "image" else "tokenizer.json"
    own, others = (place / name for place in (tokenizer, folder))
    if not (own.is_file() and others.is_file()) or sha256_of(own) != sha256_of(others):
        raise UserError(
            f"finetune.warm_start: {folder} has another tokenizer than `model`: set model to what it was trained from"
        )
