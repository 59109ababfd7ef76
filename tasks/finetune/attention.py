"""Which of torch's attention kernels a step uses on a CPU.

The fused kernel has a high fixed cost, above all backward. Short rows are faster with plain matrix products: 12 tokens
1.2 ms instead of 2.4, 25 tokens 2.2 instead of 4.1, 50 tokens the same (one layer of MiniLM-L6, 32 rows, forward and
backward, two threads of an AMD EPYC, torch 2.13).
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

SHORT = 40  # tokens


def attention_kernel(device: torch.device, tokens: int) -> AbstractContextManager[None]:
    """Within the block torch's attention uses the faster kernel for rows of ``tokens`` tokens."""
    return sdpa_kernel(SDPBackend.MATH) if device.type == "cpu" and tokens <= SHORT else nullcontext()
