"""Train the classifier and write it: ``python -m tasks.finetune``."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import torch
from transformers import PreTrainedModel, enable_full_determinism, set_seed

from tasks.core import params, paths
from tasks.core.cli import run
from tasks.core.errors import UserError
from tasks.core.files import read_json, replacing_folder, write_json
from tasks.core.rows import Modality
from tasks.core.tables import read_table
from tasks.finetune import Params, image_batches, record, warm_start
from tasks.finetune.device import threads
from tasks.finetune.energy import metered
from tasks.finetune.feeding import Rows
from tasks.finetune.fingerprint import fingerprint
from tasks.finetune.fit import Fitted, fit
from tasks.modelling.checkpoints import checkpoint
from tasks.modelling.pixels import FILE
from tasks.modelling.training.checkpoint_store import alone


def read_rows(file: Path, reads: Modality = "text") -> Rows:
    """One split as ``tokenize`` left it."""
    found = image_batches.read(file) if reads == "image" else _texts(file)
    if not len(found):
        raise UserError(f"{file} has no rows: widen windows.reference, or change the shares of the split")
    return found


def _texts(file: Path) -> Rows:
    table = read_table(file, ["id", "input_ids", "label"])
    ids = table["input_ids"].combine_chunks()
    starts = ids.offsets.to_numpy().astype(np.int64)
    return Rows("input_ids", ids.values.to_numpy(), starts, table["label"].to_numpy(), table["id"])


def _kind(tokens: Path, section: Params) -> Modality:
    """What the rows are; refuses what is set for the others."""
    kind: Modality = "image" if (tokens / FILE).is_file() else "text"
    if kind == "image" and section.frozen_layers:
        raise UserError("finetune.frozen_layers is for texts: set it to 0; finetune.lora trains less of an image model")
    if kind == "text" and section.augmentation:
        raise UserError("finetune.augmentation is for images, and the rows are texts: set it to null")
    return kind


def finetune(
    tokens: Path, source: checkpoint.Checkpoint, section: Params, seed: int, keep: Path | None = None
) -> tuple[PreTrainedModel, Fitted]:
    """The classifier trained on the rows in ``tokens``, and what is to be said about it; ``keep`` is ``fit``'s."""
    labels: list[str] = read_json(tokens / "labels.json")["labels"]
    section.decision.refuse_unknown(labels)
    reads = _kind(tokens, section)
    rows, validation = (read_rows(tokens / f"{name}.parquet", reads) for name in ("train", "validation"))
    torch.set_num_threads(threads(section))
    seeded = enable_full_determinism if section.deterministic and torch.cuda.is_available() else set_seed
    seeded(seed)  # before the model: the weights its checkpoint lacks are drawn
    if section.warm_start is None:
        model = checkpoint.classifier(
            source, labels, layers=section.layers, dropout=section.dropout, activation=section.activation, reads=reads
        )
    else:
        model, has_last = warm_start.started(section.warm_start, labels, section, tokens / "tokenizer")
        section = section.model_copy(update={"probe": section.probe and not has_last})
    _attend(model, section)
    return model, fit(model, rows, validation, section, seed, keep)


def _attend(model: PreTrainedModel, section: Params) -> None:
    """Set the kernel of the attention."""
    if section.attention == "auto":
        return
    try:
        model.set_attn_implementation(section.attention)
    except (ValueError, ImportError) as error:
        raise UserError(f"finetune.attention: {section.attention} cannot be had here: {error}") from error


def write_classifier(model: PreTrainedModel, tokenizer: Path, folder: Path) -> None:
    """The trained model beside the tokenizer or image processor its rows were made with; whole or not at all."""
    with replacing_folder(folder) as part:
        model.save_pretrained(part)
        for file in sorted(tokenizer.iterdir()):
            shutil.copyfile(file, part / file.name)


def main() -> None:
    """Run the stage on the repository's paths."""
    section, general = params.load(Params, "finetune"), params.general()
    source = checkpoint.starting_point(general.model, paths.PRETRAINED)
    folder = paths.CHECKPOINTS / fingerprint(paths.TOKENS, source, section, general.seed)
    with alone(folder) as mine:
        if not mine:
            print("another process trains the same: this one starts from the beginning and keeps nothing", flush=True)
        with metered() as energy:
            model, done = finetune(paths.TOKENS, source, section, general.seed, folder if mine else None)
        write_classifier(model, paths.TOKENS / "tokenizer", paths.CLASSIFIER)
        record.write_curves(done.curves, paths.CURVES)
        write_json({**done.cost, "energy_kwh": energy}, paths.FINETUNE_COST)
        write_json(done.figures, paths.metrics("finetune"))
        if mine:
            shutil.rmtree(folder)


if __name__ == "__main__":
    run(main)
