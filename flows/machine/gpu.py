"""Which GPU a run uses, so that two runs at a time never share one and never wait for one that the other leaves alone.

A stage uses the first GPU that CUDA shows it, and no other: ``CUDA_VISIBLE_DEVICES`` of the runner decides. Indices are
taken in the order of nvidia-smi; on a machine with GPUs of several kinds set ``CUDA_DEVICE_ORDER=PCI_BUS_ID``, or name
the GPU by its UUID.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from flows.machine.checkout import named
from flows.machine.home import root

CONTROL = Path("/dev/nvidiactl")
FIRST = "0"


def lock() -> Path | None:
    """The lock of the GPU that stages started by this process use; None where CUDA shows them none."""
    used = _used(os.environ.get("CUDA_VISIBLE_DEVICES", FIRST).split(",")[0].strip(), _uuids())
    return root() / f"gpu-{named(used)}.lock" if used else None


def _used(shown: str, uuids: list[str] | None) -> str | None:
    """The GPU that CUDA means by an index, the beginning of a UUID, or a MIG instance's name."""
    if shown.startswith("MIG-"):
        return shown
    if not shown.isdecimal():
        return next((uuid for uuid in uuids or () if shown and uuid.startswith(shown)), None)
    if uuids is None:
        return shown
    return uuids[int(shown)] if int(shown) < len(uuids) else None


def _uuids() -> list[str] | None:
    """Of every GPU here, in nvidia-smi's order; None where there are GPUs, and no nvidia-smi to tell them apart."""
    if not shutil.which("nvidia-smi"):
        return None if CONTROL.exists() else []
    ask = ["nvidia-smi", "--query-gpu=uuid", "--format=csv,noheader"]
    said = subprocess.run(ask, capture_output=True, text=True, check=False)
    return said.stdout.split() if said.returncode == 0 else []
