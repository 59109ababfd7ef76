"""Peak throughput: the FLOP/s that the model's own matrix multiplications reach on this machine, measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import perf_counter

import torch
from torch import nn
from transformers import PreTrainedModel

from tasks.modelling.cls_only import ClsOnlyLayer

SECONDS = 0.3
FOR_ALL_TOKENS = ("attention.self.key", "attention.self.value")  # in a CLS-only layer


@dataclass(frozen=True)
class Matrices:
    """Shapes [out, in] of the weights applied to every token, and of those applied once to a row."""

    by_token: tuple[tuple[int, int], ...]
    by_row: tuple[tuple[int, int], ...]

    def flops(self, tokens: int, rows: int) -> int:
        """FLOPs in training: one multiplication forward, two backward, two operations each."""
        each, once = (sum(m * n for m, n in shapes) for shapes in (self.by_token, self.by_row))
        return 6 * (tokens * each + rows * once)


def matrices(model: PreTrainedModel) -> Matrices:
    """The linear layers below the classifier; products within the attention are not counted."""
    by_token: list[tuple[int, int]] = []
    by_row: list[tuple[int, int]] = []
    for name, layer in model.base_model.named_modules():
        if isinstance(layer, nn.Linear):
            cls_only = _in_cls_only_layer(model, name) and not name.endswith(FOR_ALL_TOKENS)
            (by_row if cls_only or "pooler" in name else by_token).append((layer.out_features, layer.in_features))
    return Matrices(tuple(by_token), tuple(by_row))


def _in_cls_only_layer(model: PreTrainedModel, name: str) -> bool:
    return any(isinstance(module, ClsOnlyLayer) for module in _owners(model.base_model, name))


def _owners(module: nn.Module, name: str) -> Iterator[nn.Module]:
    parts = name.split(".")
    return (module.get_submodule(".".join(parts[:i])) for i in range(1, len(parts)))


@torch.no_grad()
def matmul_rate(
    found: Matrices,
    tokens: int,
    device: torch.device,
    dtype: torch.dtype,
    seconds: float = SECONDS,
    clock: Callable[[], float] = perf_counter,
) -> float:
    """FLOP/s of a training step's multiplications over ``tokens``, forward and backward, by that clock; 0 for none."""
    operands = [
        [torch.ones(shape, device=device, dtype=dtype) for shape in ((tokens, n), (m, n), (tokens, m))]
        for m, n in dict.fromkeys(found.by_token)
    ]
    if not operands:
        return 0.0

    def step() -> None:
        for inputs, weight, gradient in operands:
            torch.mm(inputs, weight.T)
            torch.mm(gradient, weight)
            torch.mm(gradient.T, inputs)
        if device.type == "cuda":
            torch.cuda.synchronize()

    step()
    started, rounds = clock(), 0
    while clock() - started < seconds:
        step()
        rounds += 1
    work = rounds * sum(6 * tokens * m * n for m, n in dict.fromkeys(found.by_token))
    return work / (clock() - started)
