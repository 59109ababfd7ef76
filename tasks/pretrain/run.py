"""Continued pre-training: texts, model, training, and the folder that ``finetune`` starts from."""

from __future__ import annotations

import platform
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from transformers import PreTrainedModel, set_seed

from tasks.core import paths
from tasks.core.errors import UserError
from tasks.core.files import replacing_folder
from tasks.core.rows import inputs, modality
from tasks.core.tables import columns_of, read_table
from tasks.dataset import layout
from tasks.modelling.checkpoints import checkpoint, loader, versions
from tasks.modelling.training import checkpoint_store
from tasks.pretrain import Params, texts
from tasks.pretrain.masked_lm import Masking, perplexity, train

Pools = tuple[texts.Blocks, texts.Blocks]  # to train on, and held out


def improve(
    model: PreTrainedModel, pools: Pools, masking: Masking, section: Params, seed: int, folder: Path
) -> dict[str, Any]:
    """Train ``model`` on the first pool, checkpoints in ``folder``; perplexity on the second, before and after."""
    rows, held_out = pools
    before = perplexity(model, held_out, masking, section.batch_size, seed)
    print(f"{len(rows)} training blocks, {len(held_out)} held out; perplexity {before:.1f}", flush=True)
    steps = train(model, rows, masking, section, seed, folder)
    after = perplexity(model, held_out, masking, section.batch_size, seed)
    print(f"perplexity {before:.1f} before, {after:.1f} after {steps} steps", flush=True)
    return {"steps": steps, "perplexity_before": round(before, 4), "perplexity_after": round(after, 4)}


def write(model: PreTrainedModel, source: checkpoint.Checkpoint, tokenizer: Path, folder: Path) -> None:
    """The trained encoder in the checkpoint's; what else the checkpoint has (a pooler) is kept."""
    whole = checkpoint.encoder(source)
    whole.load_state_dict(model.base_model.state_dict(), strict=False)
    with replacing_folder(folder) as part:
        whole.save_pretrained(part)
        for file in sorted(tokenizer.iterdir()):
            shutil.copyfile(file, part / file.name)


def _pools(section: Params, tokenizer: Any) -> tuple[Pools, dict[str, int]]:
    train = layout.split("train")
    names = inputs(columns_of(train))  # each text of a pair by itself
    own = [text for column in read_table(train, names).columns for text in column.to_pylist()]
    parts = texts.split_texts(
        [*(text for text in own if text), *texts.read(Path(section.source), section.column)], section.held_out
    )
    rows, held_out = (texts.blocks(part, tokenizer, tokenizer.model_max_length) for part in parts)
    return (rows, held_out), {"texts": len(parts[0]), "held_out_texts": len(parts[1]), "tokens": int(rows.size)}


def _fingerprint(pools: Pools, source: checkpoint.Checkpoint, section: Params, seed: int) -> str:
    weights = Path(source.source)
    return checkpoint_store.fingerprint(
        {
            "stage": "pretrain",
            "rows": [texts.digest(pool) for pool in pools],
            "checkpoint": checkpoint_store.file_digests(weights.iterdir())
            if weights.is_dir()
            else [source.source, source.revision],
            "code": checkpoint_store.file_digests(
                file
                for module in (checkpoint, checkpoint_store, texts)
                for file in Path(str(module.__file__)).parent.glob("*.py")
            ),
            "section": section.model_dump(mode="json"),
            "seed": seed,
            "versions": versions.installed(),
            "machine": [platform.machine(), torch.backends.cpu.get_cpu_capability(), torch.cuda.is_available()],
        }
    )


def pretrain(section: Params, seed: int, source: checkpoint.Checkpoint) -> dict[str, Any]:
    """Write ``models/pretrained`` and return the metrics."""
    if modality(columns_of(layout.split("train"))) == "image":
        raise UserError(f"pretrain.epochs is {section.epochs}, but the rows are images: set it to 0")
    if source.family is not None:
        raise UserError(
            f"pretrain.epochs is {section.epochs}, but the family {source.family} cannot be pre-trained: set it to 0"
        )
    folder = paths.TOKENS / "tokenizer"
    tokenizer = loader.tokenizer(folder, weights=False)
    pools, counted = _pools(section, tokenizer)
    torch.set_num_threads(section.threads)
    set_seed(seed)  # before the model: a head that the checkpoint lacks is random
    model, drawn = checkpoint.language_model(source)
    torch.nn.Module.to(model, "cuda" if torch.cuda.is_available() else "cpu")
    masking = Masking(tokenizer, section.masked)
    store = paths.CHECKPOINTS / _fingerprint(pools, source, section, seed)
    with checkpoint_store.exclusive(store) as locked, TemporaryDirectory() as temporary:
        if not locked:
            print(f"{store} is in use by another training: starting without checkpoints", flush=True)
        done = improve(model, pools, masking, section, seed, store if locked else Path(temporary))
        write(torch.nn.Module.to(model, "cpu"), source, folder, paths.PRETRAINED)
        if locked:
            shutil.rmtree(store)
    return {"epochs": section.epochs, **counted, "head_drawn": drawn, **done}
