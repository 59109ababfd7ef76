"""LoRA (Hu et al. 2021), through ``peft``: low-rank adapters are trained and merged at the end.

The head (pooler and last layer) is trained too. What is saved is a plain model.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from tasks.core.errors import UserError
from tasks.core.faults import is_machines
from tasks.finetune import Lora
from tasks.modelling.checkpoints.loader import first_line


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
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="fan_in_fan_out")  # of GPT-2's transposed layers, which peft settles
        inject_adapter_in_model(config, model)
    for weight in head:
        weight.requires_grad_(True)
    try:
        yield
    finally:
        _merge(model)
        for name, weight in model.named_parameters():
            weight.requires_grad_(before[name])


def refuse_unfit(
    model: PreTrainedModel, section: Lora, logits: Callable[[], torch.Tensor], expected: torch.Tensor
) -> None:
    """UserError unless adapters can be added to the model and merged into it without a change of its logits."""
    try:
        with with_adapters(model, section):
            found = logits()
        same = torch.allclose(found, expected, atol=1e-4) and torch.allclose(logits(), expected, atol=1e-4)
        why = "they change its answers before they are trained"
    except UserError:
        raise
    except Exception as error:  # peft refuses by several
        if is_machines(error):
            raise
        same, why = False, first_line(error)
    if not same:
        raise UserError(f"finetune.lora: {type(model).__name__} takes no adapters ({why}): set it to null")


def _in_head(model: PreTrainedModel, name: str) -> bool:
    return not name.startswith(f"{model.base_model_prefix}.") or ".pooler." in name


def _targets(model: PreTrainedModel) -> list[str]:
    """Names of the layers' linear modules."""
    found = [
        name
        for name, m in model.named_modules()
        if isinstance(m, nn.Linear | Conv1D) and m.weight.requires_grad and not _in_head(model, name)
    ]
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
    vars(model).pop("peft_config", None)
