"""Which of a model's weights a checkpoint has: an encoder is loaded whole or not at all.

A new head may be drawn at random, and so may a pooler, which published checkpoints of masked language models lack; both
are named in one line. Weights of the checkpoint that the model has no place for, the head it was pretrained with for
one, are named in another.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tasks.core.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Linear, Module
    from transformers import PreTrainedModel

Head = Literal["new", "none", "trained"]
"""What a model ends in: a head that may be drawn, no head, or one that has to be in the checkpoint too."""
POOLER = "pooler"
NAMED = 3  # weights in a message
ROOM = 2**26  # numbers that a model may have beyond twice the checkpoint's: 256 MiB of float32
MODULES = 10_000  # that a model may have beyond twenty for each of the checkpoint's tensors


@dataclass(frozen=True)
class Found:
    """What ``from_pretrained`` says of one loading."""

    missing: frozenset[str]
    mismatched: dict[str, tuple[tuple[int, ...], tuple[int, ...]]]
    """The shape in the checkpoint and in the model."""
    unexpected: frozenset[str]

    @staticmethod
    def of(info: dict[str, Any]) -> Found:
        """From ``output_loading_info``."""
        shapes = {name: (tuple(there), tuple(here)) for name, there, here in info["mismatched_keys"]}
        return Found(frozenset(info["missing_keys"]), shapes, frozenset(info["unexpected_keys"]))

    @property
    def lost(self) -> set[str]:
        """What is random after the loading."""
        return {*self.missing, *self.mismatched}


def check(model: PreTrainedModel, found: Found, head: Head, source: Path) -> None:
    """Print what was drawn and what is not used. UserError where weights that decide are missing, of another shape, or
    not finite."""
    needed = _needed(model, found, head)
    lost = sorted(found.lost & needed)
    if lost:
        kind = "model" if head == "trained" else f"{model.config.model_type} encoder"
        raise UserError(
            f"{source}: {len(needed) - len(lost)} of {len(needed)} weights of the {kind} found "
            f"({_words(lost, found)}): config.json and the weights do not belong together"
        )
    refuse_infinite(model, source)
    if found.lost:
        print(f"drawn at random: {', '.join(sorted(found.lost))}", flush=True)
    if found.unexpected:
        print(f"{len(found.unexpected)} weights of {source} are not used: {_some(found.unexpected)}", flush=True)


def _needed(model: PreTrainedModel, found: Found, head: Head) -> set[str]:
    """The weights that must come from the checkpoint."""
    names = {*model.state_dict(), *found.lost}
    if head == "trained":
        return names
    prefix = model.base_model_prefix
    within = f"{prefix}." if head == "new" and prefix and hasattr(model, prefix) else ""
    if head == "new" and not within:  # no encoder of its own: all but the last layer
        names -= {name for name in names if name.rpartition(".")[0] == _name(model, last_layer(model))}
    encoder = {name for name in names if name.startswith(within)}
    absent = {name for name in encoder & found.missing if name.removeprefix(within).partition(".")[0] == POOLER}
    labels = {name for name, shapes in found.mismatched.items() if not _for_other_labels(model, *shapes)}
    return encoder - absent | labels


def _for_other_labels(model: PreTrainedModel, there: tuple[int, ...], here: tuple[int, ...]) -> bool:
    """Whether a tensor differs in the number of labels alone."""
    return bool(here) and here[0] == model.config.num_labels and there[1:] == here[1:]


def _name(model: PreTrainedModel, module: Module) -> str:
    names: list[str] = [name for name, one in model.named_modules() if one is module]
    return names[0]


def _words(lost: list[str], found: Found) -> str:
    absent = [name for name in lost if name in found.missing]
    other = [f"{name} {found.mismatched[name][0]} for {found.mismatched[name][1]}" for name in lost
             if name in found.mismatched]  # fmt: skip
    parts = {"missing": absent, "of another shape": other}
    return "; ".join(f"{kind}: {_some(names)}" for kind, names in parts.items() if names)


def _some(names: Collection[str]) -> str:
    shown = sorted(names)[:NAMED]
    return ", ".join(shown) + (", …" if len(names) > len(shown) else "")


def refuse_infinite(model: PreTrainedModel, source: Path) -> None:
    """UserError for a weight that is NaN or infinite."""
    for name, weight in model.state_dict().items():
        if weight.is_floating_point() and not weight.isfinite().all():
            raise UserError(f"{source}: the weight {name} is not finite: fetch the checkpoint again, or name another")


def last_layer(model: PreTrainedModel) -> Linear:
    """The linear layer whose output is the logits and whose input is the embedding."""
    from torch.nn import Linear

    found = [m for m in model.modules() if isinstance(m, Linear) and m.out_features == model.config.num_labels]
    if not found:
        raise UserError(
            f"{type(model).__name__} does not end in a linear layer over the labels: set model.name to another model"
        )
    return found[-1]


@contextmanager
def bounded(numbers: int, tensors: int, labels: int | None, source: Path) -> Iterator[None]:
    """Ends the building of a model in the block that outgrows a checkpoint of so many numbers and tensors.

    transformers builds a model without memory for its weights, then fills it: what is counted here is not there yet.
    """
    from torch.nn.modules import module as hooks

    room, modules = 2 * numbers + ROOM, 20 * tensors + MODULES
    counted = {"numbers": 0, "modules": 0}

    def refuse(what: str, limit: int) -> None:
        if counted[what] > limit:
            raise UserError(
                f"{source}: config.json describes a model of more than {limit} {what}, but the weights are {numbers} "
                f"numbers in {tensors} tensors: they do not belong together"
            )

    def weigh(_: Module, __: str, weight: Tensor | None) -> None:
        if weight is not None and weight.is_meta and not (weight.ndim and weight.shape[0] == labels):
            counted["numbers"] += weight.numel()
            refuse("numbers", room)

    def count(_: Module, __: str, ___: Module | None) -> None:
        counted["modules"] += 1
        refuse("modules", modules)

    handles = [
        hooks.register_module_parameter_registration_hook(weigh),
        hooks.register_module_buffer_registration_hook(weigh),
        hooks.register_module_module_registration_hook(count),
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
