"""What the machine offers, and what of it a training uses: chosen for the device, each to be overridden."""

from __future__ import annotations

import os
import shutil
from dataclasses import asdict, dataclass
from typing import Any

import torch

from tasks.core.errors import UserError
from tasks.finetune import Params


@dataclass(frozen=True)
class Device:
    """One device and how it will be used."""

    name: str
    cuda: bool
    bf16: bool
    tf32: bool
    """Whether float32 matrices are multiplied with ten bits of mantissa; a CPU does not."""
    attention: str
    fused: bool
    """Whether the optimizer's step is one kernel."""
    compiled: bool
    workers: int
    """Processes that collect batches; 0: the training's own."""
    threads: int

    @property
    def torch(self) -> torch.device:
        """As torch knows it."""
        return torch.device("cuda" if self.cuda else "cpu")

    @property
    def precision(self) -> str:
        """As it is recorded."""
        return "bf16" if self.bf16 else "tf32" if self.tf32 else "fp32"

    def choices(self) -> dict[str, Any]:
        """What was chosen, for the record."""
        chosen = asdict(self)
        return {"precision": self.precision} | {
            name: chosen[name] for name in ("attention", "fused", "compiled", "workers", "threads")
        }


def device_for(section: Params, attention: str = "sdpa") -> Device:
    """CUDA when it is there, with what suits it or what was asked for; ``attention`` is the model's kernel."""
    cuda = torch.cuda.is_available()
    able = cuda and torch.cuda.is_bf16_supported()
    return Device(
        name=torch.cuda.get_device_name() if cuda else "CPU",
        cuda=cuda,
        bf16={"auto": able, "fp32": False, "bf16": True}[section.precision],
        tf32=able and section.precision == "auto",
        attention=attention,
        fused=section.fused,
        compiled=_compiled(section.compile, cuda),
        workers=section.workers,
        threads=threads(section),
    )


def threads(section: Params) -> int:
    """As many as the section says, or as this process may use cores."""
    return section.threads or len(os.sched_getaffinity(0))


def _compiled(wanted: bool, cuda: bool) -> bool:
    if wanted and not cuda and not (shutil.which("g++") or shutil.which("clang++")):
        raise UserError(
            "finetune.compile needs a C++ compiler on a CPU, and there is neither g++ nor clang++: set it false"
        )
    return wanted
