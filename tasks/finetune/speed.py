"""How fast a training could be: the rate of nothing but its own matrix multiplications, measured on the spot."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from time import perf_counter

import torch
from torch import nn
from transformers import PreTrainedModel

from tasks.finetune.cls_only import FirstToken

SECONDS = 0.3
FOR_ALL_TOKENS = ("attention.self.key", "attention.self.value")  # in a layer that answers for the first token alone


@dataclass(frozen=True)
class Matrices:
    """The weights [out, in] of a model's layers that every token passes, and those that a row passes once."""

    by_token: tuple[tuple[int, int], ...]
    by_row: tuple[tuple[int, int], ...]

    def flops(self, tokens: int, rows: int) -> int:
        """Of their multiplications in a training step: one forward, two backward, two operations each."""
        each, once = (sum(m * n for m, n in shapes) for shapes in (self.by_token, self.by_row))
        return 6 * (tokens * each + rows * once)


def matrices(model: PreTrainedModel) -> Matrices:
    """Those of the layers that run; products within the attention are not counted, nor is the last layer."""
    by_token: list[tuple[int, int]] = []
    by_row: list[tuple[int, int]] = []
    for name, layer in model.base_model.named_modules():
        if isinstance(layer, nn.Linear):
            narrow = _in_first_token(model, name) and not name.endswith(FOR_ALL_TOKENS)
            (by_row if narrow or "pooler" in name else by_token).append((layer.out_features, layer.in_features))
    return Matrices(tuple(by_token), tuple(by_row))


def _in_first_token(model: PreTrainedModel, name: str) -> bool:
    return any(isinstance(module, FirstToken) for module in _owners(model.base_model, name))


def _owners(module: nn.Module, name: str) -> Iterator[nn.Module]:
    parts = name.split(".")
    return (module.get_submodule(".".join(parts[:i])) for i in range(1, len(parts)))


@torch.no_grad()
def matmul_rate(
    found: Matrices, tokens: int, device: torch.device, dtype: torch.dtype, seconds: float = SECONDS
) -> float:
    """FLOP/s of the multiplications of a step over so many tokens, forward and backward; 0 where there are none."""
    given = [
        [torch.ones(shape, device=device, dtype=dtype) for shape in ((tokens, n), (m, n), (tokens, m))]
        for m, n in dict.fromkeys(found.by_token)
    ]
    if not given:
        return 0.0

    def once() -> None:
        for inputs, weight, gradient in given:
            torch.mm(inputs, weight.T)
            torch.mm(gradient, weight)
            torch.mm(gradient.T, inputs)
        if device.type == "cuda":
            torch.cuda.synchronize()

    once()
    started, rounds = perf_counter(), 0
    while perf_counter() - started < seconds:
        once()
        rounds += 1
    work = rounds * sum(6 * tokens * m * n for m, n in dict.fromkeys(found.by_token))
    return work / (perf_counter() - started)
