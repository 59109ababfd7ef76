"""Model families that no checkpoint brings: built from ``model.config`` and drawn at random.

``model.family`` in ``params.yaml`` names one; left out, the checkpoint that ``model.name`` names is fine-tuned. A
family is one module beside this one and one line in ``FAMILIES``. Its module holds

``Settings``
    what ``model.config`` takes, a frozen section;
``config(settings, tokenizer)``
    the transformers config made of it, whose ``model_type`` is the family's name;

and when it is imported it registers a model of its own with the Auto classes, unless transformers has it. One that
reads images says ``READS = "image"`` and holds ``processor(settings)`` in the place of a tokenizer. No code comes from
a checkpoint.
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

FAMILIES = {  # name → module
    "rnn": "tasks.modelling.checkpoints.families.rnn",
    "vit": "tasks.modelling.checkpoints.families.vit",
}


def refuse_unknown(name: str | None, settings: Mapping[str, Any]) -> None:
    """Refuse a family that nobody wrote, and settings that no family would read."""
    if name is None and settings:
        raise UserError(f"model.config is for a family ({', '.join(FAMILIES)}); the checkpoint brings its own config")
    if name is not None and name not in FAMILIES:
        raise UserError(f"model.family is {name!r}; the families are {', '.join(FAMILIES)}, or null for the checkpoint")


def reads(name: str) -> Modality:
    """What models of that family are given."""
    found: Modality = getattr(import_module(FAMILIES[name]), "READS", "text")
    return found


def config(name: str, settings: Mapping[str, Any], tokenizer: PreTrainedTokenizerFast | None) -> PretrainedConfig:
    """The config of an untrained model of that family, over the tokens of ``tokenizer`` where it reads texts."""
    module, section = _read(name, settings)
    made: PretrainedConfig = module.config(section, tokenizer)
    return made


def processor(name: str, settings: Mapping[str, Any]) -> Any:
    """What makes an image the input of such a model."""
    module, section = _read(name, settings)
    return module.processor(section)


def _read(name: str, settings: Mapping[str, Any]) -> tuple[Any, params.Section]:
    module: Any = import_module(FAMILIES[name])
    return module, params.parse(module.Settings, settings, "model.config", PARAMS)


def register(model_type: str) -> None:
    """Make the Auto classes know a saved model of one of these families; others they know already."""
    if model_type in FAMILIES:
        import_module(FAMILIES[model_type])
