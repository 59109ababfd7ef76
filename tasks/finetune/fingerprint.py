"""Which training it is: a hash of everything that decides its result, read from the inputs themselves."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterable
from pathlib import Path

import torch

from tasks import checkpoint, families
from tasks.finetune import Params
from tasks.finetune.kept import digest
from tasks.finetune.record import PACKAGES, versions

CODE = (Path(__file__).parent, Path(families.__file__).parent)


def fingerprint(tokens: Path, source: checkpoint.Checkpoint, section: Params, seed: int) -> str:
    """Twenty hexadecimal digits. A hub's checkpoint is its name and pinned revision, a folder's is its content."""
    weights = Path(source.source)
    facts = {
        "tokens": _contents(file for file in tokens.rglob("*") if file.is_file() and file.name != "test.parquet"),
        "checkpoint": _contents(weights.iterdir()) if weights.is_dir() else [source.source, source.revision],
        "family": [source.family, dict(source.config)],
        "code": _contents([Path(checkpoint.__file__), *(file for place in CODE for file in place.glob("*.py"))]),
        "section": section.model_dump(mode="json"),
        "seed": seed,
        "versions": versions(PACKAGES),
        "machine": [platform.machine(), torch.backends.cpu.get_cpu_capability(), _gpu()],
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:20]


def _contents(files: Iterable[Path]) -> list[tuple[str, str]]:
    return sorted((file.name, digest(file)) for file in files if file.is_file())


def _gpu() -> str | None:
    return torch.cuda.get_device_name() if torch.cuda.is_available() else None
