"""The whole of a further pre-training: texts, model, steps, and the folder that ``finetune`` starts from."""

from __future__ import annotations

import platform
import shutil
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from transformers import AutoTokenizer, PreTrainedModel, set_seed

from tasks.core import paths
from tasks.core.errors import UserError
from tasks.core.files import replacing_folder
from tasks.core.rows import modality
from tasks.core.tables import columns_of, read_table
from tasks.dataset import layout
from tasks.modelling.checkpoints import checkpoint
from tasks.modelling.training import checkpoint_store
from tasks.pretrain import Params, texts
from tasks.pretrain.modelling import Masking, perplexity, train

Pools = tuple[texts.Blocks, texts.Blocks]  # to train on, and held out


def improve(
    model: PreTrainedModel, pools: Pools, masking: Masking, section: Params, seed: int, keep: Path
) -> dict[str, Any]:
    """Train ``model`` on the first pool, checkpoints kept in ``keep``; perplexity on the second, before and after."""
    rows, held_out = pools
    before = perplexity(model, held_out, masking, section.batch_size, seed)
    print(f"{len(rows)} blocks to train on, {len(held_out)} held out; perplexity {before:.1f}", flush=True)
    steps = train(model, rows, masking, section, seed, keep)
    after = perplexity(model, held_out, masking, section.batch_size, seed)
    print(f"perplexity {before:.1f} before, {after:.1f} after {steps} steps", flush=True)
    return {"steps": steps, "perplexity_before": round(before, 4), "perplexity_after": round(after, 4)}


def write(model: PreTrainedModel, source: checkpoint.Checkpoint, tokenizer: Path, folder: Path) -> None:
    """The trained encoder in the place of the checkpoint's; what the checkpoint has beside it (a pooler) stays."""
    whole = checkpoint.encoder(source)
    whole.load_state_dict(model.base_model.state_dict(), strict=False)
    with replacing_folder(folder) as part:
        whole.save_pretrained(part)
        for file in sorted(tokenizer.iterdir()):
            shutil.copyfile(file, part / file.name)


def _pools(section: Params, tokenizer: Any) -> tuple[Pools, dict[str, int]]:
    own = read_table(layout.split("train"), ["text"])["text"].to_pylist()
    parts = texts.divided(
        [*(text for text in own if text), *texts.read(Path(section.source), section.column)], section.held_out
    )
    rows, held_out = (texts.blocks(part, tokenizer, tokenizer.model_max_length) for part in parts)
    return (rows, held_out), {"texts": len(parts[0]), "held_out_texts": len(parts[1]), "tokens": int(rows.size)}


def _fingerprint(pools: Pools, source: checkpoint.Checkpoint, section: Params, seed: int) -> str:
    weights = Path(source.source)
    packages = ("torch", "transformers", "tokenizers", "safetensors", "numpy")
    return checkpoint_store.fingerprint(
        {
            "stage": "pretrain",
            "rows": [texts.digest(pool) for pool in pools],
            "checkpoint": checkpoint_store.contents(weights.iterdir())
            if weights.is_dir()
            else [source.source, source.revision],
            "code": checkpoint_store.contents([Path(checkpoint.__file__), *Path(__file__).parent.glob("*.py")]),
            "section": section.model_dump(mode="json"),
            "seed": seed,
            "versions": {name: version(name) for name in packages},
            "machine": [platform.machine(), torch.backends.cpu.get_cpu_capability(), torch.cuda.is_available()],
        }
    )


def pretrain(section: Params, seed: int, source: checkpoint.Checkpoint) -> dict[str, Any]:
    """Write ``models/pretrained`` and give the figures."""
    if modality(columns_of(layout.split("train"))) == "image":
        raise UserError(f"pretrain.epochs is {section.epochs}, but images are not pre-trained on: set it to 0")
    if source.family is not None:
        raise UserError(
            f"pretrain.epochs is {section.epochs}, but a model of the family {source.family} has no such head"
        )
    folder = paths.TOKENS / "tokenizer"
    tokenizer = AutoTokenizer.from_pretrained(folder)
    pools, counted = _pools(section, tokenizer)
    torch.set_num_threads(section.threads)
    set_seed(seed)  # before the model: the head that its checkpoint may lack is drawn
    model, drawn = checkpoint.language_model(source)
    torch.nn.Module.to(model, "cuda" if torch.cuda.is_available() else "cpu")
    masking = Masking(section.masked, tokenizer.mask_token_id, frozenset(tokenizer.all_special_ids), len(tokenizer))
    place = paths.CHECKPOINTS / _fingerprint(pools, source, section, seed)
    with checkpoint_store.alone(place) as mine, TemporaryDirectory() as spare:
        if not mine:
            print("another process trains the same: this one starts from the beginning and keeps nothing", flush=True)
        done = improve(model, pools, masking, section, seed, place if mine else Path(spare))
        write(torch.nn.Module.to(model, "cpu"), source, folder, paths.PRETRAINED)
        if mine:
            shutil.rmtree(place)
    return {"epochs": section.epochs, **counted, "head_drawn": drawn, **done}
