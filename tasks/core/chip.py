"""The kind of processor: which instructions it has decides how fast it computes, and the last digits of what."""

from __future__ import annotations

import platform
from functools import cache
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
WIDEST = {  # instruction sets by Linux's name of the flag, from the widest
    "amx_bf16": "AMX-BF16",
    "avx512_bf16": "AVX512-BF16",
    "avx512f": "AVX512",
    "avx2": "AVX2",
}
BF16 = frozenset({"amx_bf16", "avx512_bf16"})  # that multiply matrices of bf16; without them it is emulated, and slow


def _line(name: str) -> str:
    lines = CPUINFO.read_text(encoding="utf-8").splitlines() if CPUINFO.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.partition(":")[0].strip() == name), "")


@cache
def flags() -> frozenset[str]:
    """What it can do, in Linux's words; nothing where the system does not tell."""
    return frozenset((_line("flags") or _line("Features")).split())


@cache
def name() -> str:
    """As its maker calls it."""
    return _line("model name") or platform.processor() or platform.machine()


def has_bf16() -> bool:
    """Whether it multiplies matrices of bf16."""
    return bool(BF16 & flags())


def kind() -> str:
    """Its name and the widest instructions: on one kind the same inputs give the same bytes."""
    widest = [words for flag, words in WIDEST.items() if flag in flags()]
    return f"{name()}, {widest[0] if widest else platform.machine()}"
