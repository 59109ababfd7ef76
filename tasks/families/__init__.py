"""Model families that no checkpoint brings: built from ``model.config`` and drawn at random.

``model.family`` in ``params.yaml`` names one; left out, the checkpoint that ``model.name`` names is fine-tuned. A
family is one module beside this one and one line in ``FAMILIES``. Its module holds

``Settings``
    what ``model.config`` takes, a frozen section;
``config(settings, tokenizer)``
    the transformers config made of it, whose ``model_type`` is the family's name;

and when it is imported it registers a model of its own with the Auto classes. No code comes from a checkpoint.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from tasks import params
from tasks.errors import Refused
from tasks.paths import PARAMS

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedTokenizerFast

FAMILIES = {  # name → module
    "rnn": "tasks.families.rnn",
}


def refuse_unknown(name: str | None, settings: Mapping[str, Any]) -> None:
    """Refuse a family that nobody wrote, and settings that no family would read."""
    if name is None and settings:
        raise Refused(f"model.config is for a family ({', '.join(FAMILIES)}); the checkpoint brings its own config")
    if name is not None and name not in FAMILIES:
        raise Refused(f"model.family is {name!r}; the families are {', '.join(FAMILIES)}, or null for the checkpoint")


def config(name: str, settings: Mapping[str, Any], tokenizer: PreTrainedTokenizerFast) -> PretrainedConfig:
    """The config of an untrained model of that family, over the tokens of ``tokenizer``."""
    module: Any = import_module(FAMILIES[name])
    made: PretrainedConfig = module.config(params.parse(module.Settings, settings, "model.config", PARAMS), tokenizer)
    return made


def register(model_type: str) -> None:
    """Make the Auto classes know a saved model of one of these families; others they know already."""
    if model_type in FAMILIES:
        import_module(FAMILIES[model_type])
