"""The fingerprint of a training: a hash of everything that decides its result, read from the inputs themselves."""

from __future__ import annotations

import platform
from pathlib import Path

import torch

from tasks.core import chip
from tasks.finetune import Params
from tasks.modelling import pixels
from tasks.modelling.checkpoints import checkpoint, families, versions
from tasks.modelling.targets import registry
from tasks.modelling.training import checkpoint_store
from tasks.modelling.training.checkpoint_store import file_digests

MODULES = (checkpoint, families, registry, checkpoint_store)  # whose folders decide, beside this one
CODE = (Path(__file__).parent, *(Path(str(module.__file__)).parent for module in MODULES))


def fingerprint(tokens: Path, source: checkpoint.Checkpoint, section: Params, seed: int) -> str:
    """Twenty hexadecimal digits. A hub checkpoint counts by name and pinned revision, a folder by its content."""
    weights = Path(source.source)
    facts = {
        "tokens": file_digests(file for file in tokens.rglob("*") if file.is_file() and file.name != "test.parquet"),
        "checkpoint": file_digests(weights.iterdir()) if weights.is_dir() else [source.source, source.revision],
        "warm_start": file_digests(Path(section.warm_start.folder).glob("*")) if section.warm_start else [],
        "family": [source.family, dict(source.config)],
        "code": file_digests([Path(pixels.__file__), *(file for place in CODE for file in place.glob("*.py"))]),
        # a training may go on with another number of processes
        "section": section.model_dump(mode="json", exclude={"processes"}),
        "seed": seed,
        "versions": versions.installed(),
        "machine": [platform.machine(), torch.backends.cpu.get_cpu_capability(), chip.kind(), _gpu()],
    }
    return checkpoint_store.fingerprint(facts)


def _gpu() -> str | None:
    return torch.cuda.get_device_name() if torch.cuda.is_available() else None
