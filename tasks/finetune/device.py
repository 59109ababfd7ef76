"""The device a training uses and its settings, chosen for it unless set in params.yaml."""

from __future__ import annotations

import os
import shutil
from dataclasses import asdict, dataclass
from typing import Any

import torch

from tasks.core import chip
from tasks.core.errors import UserError
from tasks.finetune import Params


@dataclass(frozen=True)
class Device:
    """A device and its settings."""

    name: str
    cuda: bool
    bf16: bool
    tf32: bool
    """Whether float32 matrices are multiplied in TF32; never on a CPU."""
    attention: str
    fused: bool
    """Whether AdamW's step is one kernel."""
    compiled: bool
    workers: int
    """Processes that load batches; 0: the training process itself."""
    threads: int

    @property
    def torch(self) -> torch.device:
        """As a torch device."""
        return torch.device("cuda" if self.cuda else "cpu")

    @property
    def precision(self) -> str:
        """bf16, tf32 or fp32."""
        return "bf16" if self.bf16 else "tf32" if self.tf32 else "fp32"

    def settings(self) -> dict[str, Any]:
        """The settings, for the cost file and the log."""
        every = asdict(self)
        return {"precision": self.precision} | {
            name: every[name] for name in ("attention", "fused", "compiled", "workers", "threads")
        }


def device_for(section: Params, attention: str = "sdpa") -> Device:
    """CUDA when available, else the CPU, with the section's settings; ``attention`` is the model's kernel."""
    cuda = torch.cuda.is_available()
    has_bf16 = cuda and torch.cuda.is_bf16_supported()
    if section.precision == "bf16" and not cuda and not chip.has_bf16():
        print(f"finetune.precision: {chip.kind()} has no instructions for bf16 and emulates it, slower than fp32")
    return Device(
        name=torch.cuda.get_device_name() if cuda else "CPU",
        cuda=cuda,
        bf16={"auto": has_bf16, "fp32": False, "bf16": True}[section.precision],
        tf32=has_bf16 and section.precision == "auto",
        attention=attention,
        fused=section.fused,
        compiled=_compiled(section.compile, cuda),
        workers=section.workers,
        threads=threads(section),
    )


def threads(section: Params) -> int:
    """The section's threads, or one for each core this process may use."""
    return section.threads or len(os.sched_getaffinity(0))


def _compiled(wanted: bool, cuda: bool) -> bool:
    if wanted and not cuda and not (shutil.which("g++") or shutil.which("clang++")):
        raise UserError("finetune.compile needs a C++ compiler on a CPU: install g++ or clang++, or set it false")
    return wanted
