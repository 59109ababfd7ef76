"""The frozen layers' pass, kept in ``.checkpoints/activations/`` for the next training that needs the same.

One folder for each pass, named after all that decides its bytes: the rows, the weights below and the config, the number
of layers, batches, precision, threads, code, versions and kind of processor. A resumed training, a trial with another
learning rate and one with or without the probe find it. All folders together take MAX_BYTES at most; the one that was
used longest ago goes first. A pass above that is kept with the training's checkpoints, until it is done.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
from collections.abc import Collection
from contextlib import nullcontext
from pathlib import Path

import torch
from transformers import PreTrainedModel

from tasks.core import chip
from tasks.core.errors import UserError
from tasks.finetune import frozen, ranks
from tasks.finetune.batching import Rows
from tasks.finetune.device import Device
from tasks.finetune.pieces import journal_of
from tasks.modelling.checkpoints import checkpoint, versions
from tasks.modelling.training.checkpoint_store import ACTIVATIONS, exclusive, file_digests, fingerprint

FILE = "values.f32"
MAX_BYTES = 4 * 10**9
CODE = (Path(__file__).parent, Path(str(checkpoint.__file__)).parent)


def kept_passes(
    model: PreTrainedModel, depth: int, splits: Collection[Rows], work: Path, batch_size: int, device: Device
) -> list[Rows]:
    """The output of the ``depth`` lowest layers for each of the splits, computed as far as it is not kept.

    ``work``: the training's folder in ``.checkpoints``. UserError where the disk has too little room.
    """
    below = frozen.digest_below(model, depth)
    fits = sum(_bytes(model, rows) for rows in splits) <= MAX_BYTES
    root = (work.parent if fits else work) / ACTIVATIONS
    folders = [root / _key(model, below, depth, rows, batch_size, device) for rows in splits]
    found = [_kept(model, depth, rows, folder, work, batch_size) for rows, folder in zip(splits, folders, strict=True)]
    if ranks.is_first():
        trim(root, folders)
    return found


def _kept(model: PreTrainedModel, depth: int, rows: Rows, folder: Path, work: Path, batch_size: int) -> Rows:
    with exclusive(folder) if ranks.is_first() else nullcontext(True) as ours:
        if not ours:  # another training computes the same
            folder = work / ACTIVATIONS / folder.name
            folder.mkdir(parents=True, exist_ok=True)
        if ranks.is_first() and not (folder / FILE).exists():
            refuse_too_large(_bytes(model, rows), folder)
        folder = ranks.agreed(folder)
        found = frozen.activations(model, depth, rows, folder / FILE, batch_size, together=True)
        if ranks.is_first():
            os.utime(journal_of(folder / FILE))
        return found


def _bytes(model: PreTrainedModel, rows: Rows) -> int:
    return 4 * int(rows.starts[-1]) * int(model.config.hidden_size)


def _key(model: PreTrainedModel, below: str, depth: int, rows: Rows, batch_size: int, device: Device) -> str:
    """Twenty hexadecimal digits. On a GPU its name; on a CPU its kind, and the threads."""
    arrays = [rows.values, rows.starts, *([] if rows.types is None else [rows.types])]
    facts = {
        "rows": [hashlib.sha256(array.tobytes()).hexdigest() for array in arrays],
        "below": below,
        "layers": depth,
        "batch_size": batch_size,
        "precision": device.precision,
        "attention": model.config._attn_implementation,
        "code": file_digests(file for place in CODE for file in place.glob("*.py")),
        "versions": versions.installed(),
        "machine": [platform.machine(), torch.backends.cpu.get_cpu_capability(), chip.kind(), device.name],
        "threads": torch.get_num_threads(),
    }
    return fingerprint(facts)


def refuse_too_large(needed: int, folder: Path) -> None:
    """UserError unless the pass fits on the disk twice."""
    free = shutil.disk_usage(folder).free
    if needed > free / 2:
        raise UserError(
            f"finetune.frozen_layers: the frozen layers' activations take {needed / 1e9:.1f} GB in {folder.parent}, "
            f"where {free / 1e9:.1f} GB are free: shorten tokenize.max_length, free disk space, or set it to 0"
        )


def trim(root: Path, used: Collection[Path] = (), limit: int = MAX_BYTES) -> list[Path]:
    """Delete passes, the one used longest ago first, until all take ``limit`` bytes: those deleted.

    Those in ``used`` stay, and what another process is computing.
    """
    there = sorted((folder for folder in root.iterdir() if folder.is_dir()), key=last_used)
    left = sum(_size(folder) for folder in there)
    gone = []
    for folder in there:
        if left <= limit or folder in used:
            continue
        size = _size(folder)
        with exclusive(folder) as ours:
            if ours:
                shutil.rmtree(folder)
                left -= size
                gone.append(folder)
    return gone


def last_used(folder: Path) -> float:
    """When a training last opened the pass in ``folder``, in seconds since 1970."""
    journal = journal_of(folder / FILE)
    return (journal if journal.exists() else folder).stat().st_mtime


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.iterdir())
