"""Train a checkpoint, or a family that is trained by gradients, and write the classifier."""

from __future__ import annotations

import shutil
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import numpy as np
import torch
from transformers import PreTrainedModel, enable_full_determinism, set_seed

from tasks.core import paths
from tasks.core.errors import UserError
from tasks.core.files import read_json, replacing_folder, write_json, write_metrics
from tasks.core.params import General
from tasks.core.rows import TEXT_PAIR, Modality
from tasks.core.tables import columns_of, read_table
from tasks.finetune import Params, image_batches, ranks, record, warm_start
from tasks.finetune.batching import TYPES, Rows
from tasks.finetune.device import threads
from tasks.finetune.energy import energy_meter
from tasks.finetune.fingerprint import fingerprint
from tasks.finetune.fit import FitResult, fit
from tasks.modelling.checkpoints import checkpoint, versions, watched
from tasks.modelling.pixels import LAYOUT_FILE
from tasks.modelling.targets.registry import TARGETS
from tasks.modelling.targets.single_label import SINGLE_LABEL
from tasks.modelling.targets.target import Target
from tasks.modelling.training.checkpoint_store import exclusive


def read_rows(file: Path, modality: Modality = "text", labels: int = 0, target: Target = SINGLE_LABEL) -> Rows:
    """One split of ``data/tokens``, whose rows have some of so many labels."""
    found = image_batches.read_image_rows(file) if modality == "image" else _token_rows(file, labels, target)
    if not len(found):
        raise UserError(f"{file} has no rows: widen windows.reference, or change the shares of the split")
    return found


def _token_rows(file: Path, labels: int, target: Target) -> Rows:
    typed = [name for name in (TYPES,) if name in columns_of(file)]
    table = read_table(file, ["id", "input_ids", *typed, "label"])
    ids, *types = (table[name].combine_chunks() for name in ("input_ids", *typed))
    starts, truth = ids.offsets.to_numpy().astype(np.int64), target.read(table["label"], labels)
    return Rows(
        "input_ids", ids.values.to_numpy(), starts, truth, table["id"], *(its.values.to_numpy() for its in types)
    )


def _modality(tokens: Path, section: Params) -> Modality:
    """Text or image; UserError for a setting of the other."""
    modality: Modality = "image" if (tokens / LAYOUT_FILE).is_file() else "text"
    if modality == "image" and section.frozen_layers not in (0, "auto"):
        raise UserError("finetune.frozen_layers is for texts: set it to 0; for images use finetune.lora")
    if modality == "text" and section.augmentation:
        raise UserError("finetune.augmentation is for images, but the rows are texts: set it to null")
    return modality


def finetune(
    tokens: Path,
    source: checkpoint.Checkpoint,
    section: Params,
    seed: int,
    folder: Path | None = None,
    target: Target = SINGLE_LABEL,
) -> tuple[PreTrainedModel, FitResult]:
    """The classifier trained on the rows in ``tokens``, with its metrics; ``folder`` is ``fit``'s."""
    about = read_json(tokens / "labels.json")
    labels: list[str] = about["labels"]
    section.decision.refuse_unknown(labels)
    modality = _modality(tokens, section)
    files = (tokens / f"{name}.parquet" for name in ("train", "validation"))
    rows, validation = (read_rows(file, modality, len(labels), target) for file in files)
    target.refuse_unlearnable(rows.labels)
    torch.set_num_threads(threads(section))
    set_seeds = enable_full_determinism if section.deterministic and torch.cuda.is_available() else set_seed
    set_seeds(seed)  # before the model: weights that the checkpoint lacks are random
    if section.warm_start is None:
        model = checkpoint.classifier(
            source,
            labels,
            layers=section.layers,
            dropout=section.dropout,
            activation=section.activation,
            modality=modality,
            problem_type=target.problem_type,
        )
    else:
        model, has_last_layer = warm_start.load(section.warm_start, labels, section, tokens / "tokenizer", target)
        section = section.model_copy(update={"probe": section.probe and not has_last_layer})
    checkpoint.mark_pairs(model, bool(about.get(TEXT_PAIR)))
    _set_attention(model, section)
    if source.family is not None and section.frozen_layers == "auto":  # random layers are to be trained
        section = section.model_copy(update={"frozen_layers": 0})
    longest = checkpoint.fit_to_tokenizer(model, tokens / "tokenizer") if modality == "text" else None
    return model, fit(model, rows, validation, section, seed, folder, longest)


def _set_attention(model: PreTrainedModel, section: Params) -> None:
    """Set the attention implementation."""
    if section.attention == "auto":
        return
    try:
        model.set_attn_implementation(section.attention)
    except (ValueError, ImportError) as error:
        raise UserError(f"finetune.attention: {section.attention} is not available: {error}") from error


def write_classifier(model: PreTrainedModel, tokenizer: Path, folder: Path) -> None:
    """The trained model and the tokenizer or image processor of its rows; whole or not at all."""
    with replacing_folder(folder) as part:
        model.save_pretrained(part)
        for file in sorted(tokenizer.iterdir()):
            shutil.copyfile(file, part / file.name)


def _energy_meter() -> AbstractContextManager[dict[str, float]]:
    """None for several processes: it would meter one of them."""
    return energy_meter() if ranks.count() == 1 else nullcontext({})


def run(section: Params, general: General) -> None:
    """The stage for all that is trained by gradients, on the repository's paths; of several processes the first one
    writes."""
    watched.refuse_unwatched("model.name", general.model.name, "finetune")
    if section.warm_start:
        watched.refuse_unwatched("finetune.warm_start.folder", section.warm_start.folder, "finetune")
    versions.print_differing()
    source = checkpoint.starting_point(general.model, paths.PRETRAINED)
    folder = paths.CHECKPOINTS / fingerprint(paths.TOKENS, source, section, general.seed)
    with exclusive(folder) if ranks.is_first() else nullcontext(True) as locked:
        if not locked:
            print(f"{folder} is in use by another training: starting without checkpoints", flush=True)
        kept = ranks.agreed(folder if locked else None)
        if kept is not None:
            ranks.refuse_unshared(kept)
        with _energy_meter() as energy:
            model, done = finetune(paths.TOKENS, source, section, general.seed, kept, TARGETS[general.task])
        if not ranks.is_first():
            return
        write_classifier(model, paths.TOKENS / "tokenizer", paths.CLASSIFIER)
        record.write_curves(done.curves, paths.CURVES)
        write_json(done.cost | ({"energy_kwh": energy} if energy else {}), paths.FINETUNE_COST)
        write_metrics(done.metrics, paths.metrics("finetune"))
        if locked:
            shutil.rmtree(folder)
