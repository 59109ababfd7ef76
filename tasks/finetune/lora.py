"""LoRA (Hu et al. 2021), through ``peft``: low-rank adapters are trained and merged at the end.

The head (pooler and last layer) is trained too. What is saved is a plain model.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn
from transformers import PreTrainedModel

from tasks.core.errors import UserError
from tasks.finetune import Lora


@contextmanager
def with_adapters(model: PreTrainedModel, section: Lora | None) -> Iterator[None]:
    """Within the block only the adapters and the head are trained; after it the adapters are merged."""
    if section is None:
        yield
        return
    from peft import LoraConfig, inject_adapter_in_model

    before = {name: weight.requires_grad for name, weight in model.named_parameters()}
    head = [weight for name, weight in model.named_parameters() if _in_head(model, name)]
    config = LoraConfig(
        r=section.rank,
        lora_alpha=section.alpha or 2 * section.rank,
        lora_dropout=section.dropout,
        target_modules=_targets(model),
    )
    inject_adapter_in_model(config, model)
    for weight in head:
        weight.requires_grad_(True)
    try:
        yield
    finally:
        _merge(model)
        for name, weight in model.named_parameters():
            weight.requires_grad_(before[name])


def _in_head(model: PreTrainedModel, name: str) -> bool:
    return not name.startswith(f"{model.base_model_prefix}.") or ".pooler." in name


def _targets(model: PreTrainedModel) -> list[str]:
    """Names of the layers' linear modules."""
    found = [name for name, m in model.named_modules() if isinstance(m, nn.Linear) and not _in_head(model, name)]
    if not found:
        raise UserError(f"finetune.lora: {type(model).__name__} has no linear modules in its layers; set it to null")
    return found


def _merge(model: PreTrainedModel) -> None:
    from peft.tuners.lora import LoraLayer

    adapters: list[tuple[str, Any]] = [(name, m) for name, m in model.named_modules() if isinstance(m, LoraLayer)]
    for name, adapter in adapters:
        owner, _, own = name.rpartition(".")
        adapter.merge()
        setattr(model.get_submodule(owner), own, adapter.get_base_layer())
