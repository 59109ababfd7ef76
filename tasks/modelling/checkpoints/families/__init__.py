"""Model families without a checkpoint: built from ``model.config`` with random weights.

``model.family`` in ``params.yaml`` names one; left out, the checkpoint that ``model.name`` names is fine-tuned. A
family is one module beside this one and one line in ``FAMILIES``. Its module holds

``Settings``
    the keys of ``model.config``, a frozen section;
``config(settings, tokenizer)``
    the transformers config, whose ``model_type`` is the family's name;

and its import registers its model with the Auto classes, unless transformers has it. An image family has
``MODALITY = "image"`` and ``processor(settings)``. ``linear`` has no ``config``: it finds its own tokens and is fitted
whole (``WITHOUT_CHECKPOINT``). No code comes from a checkpoint.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from tasks.core import params
from tasks.core.errors import UserError
from tasks.core.paths import PARAMS
from tasks.core.rows import Modality

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedTokenizerFast

WITHOUT_CHECKPOINT = ("linear",)
"""Families of texts that read no tokenizer of a checkpoint."""
FAMILIES = {  # name → module
    "linear": "tasks.modelling.checkpoints.families.linear",
    "rnn": "tasks.modelling.checkpoints.families.rnn",
    "vit": "tasks.modelling.checkpoints.families.vit",
}


def refuse_unknown(name: str | None, settings: Mapping[str, Any]) -> None:
    """UserError for an unknown family, and for settings without a family."""
    if name is None and settings:
        raise UserError(f"model.config is for a family ({', '.join(FAMILIES)}); the checkpoint brings its own config")
    if name is not None and name not in FAMILIES:
        raise UserError(f"model.family is {name!r}; the families are {', '.join(FAMILIES)}, or null for the checkpoint")


def parse_settings(name: str, settings: Mapping[str, Any]) -> Any:
    """``model.config`` as the family's ``Settings``."""
    return _settings(name, settings)[1]


def modality(name: str) -> Modality:
    """The modality of a family's models."""
    found: Modality = getattr(import_module(FAMILIES[name]), "MODALITY", "text")
    return found


def config(name: str, settings: Mapping[str, Any], tokenizer: PreTrainedTokenizerFast | None) -> PretrainedConfig:
    """The config of an untrained model of that family, over the tokens of ``tokenizer`` for texts."""
    module, section = _settings(name, settings)
    made: PretrainedConfig = module.config(section, tokenizer)
    return made


def processor(name: str, settings: Mapping[str, Any]) -> Any:
    """The image processor of a family."""
    module, section = _settings(name, settings)
    return module.processor(section)


def _settings(name: str, settings: Mapping[str, Any]) -> tuple[Any, params.Section]:
    module: Any = import_module(FAMILIES[name])
    return module, params.parse(module.Settings, settings, "model.config", PARAMS)


def register(model_type: str) -> None:
    """Register a family with the Auto classes by its model type; other types are transformers' own."""
    if model_type in FAMILIES:
        import_module(FAMILIES[model_type])
