"""The page of all keys of ``params.yaml``, ``landing.yaml`` and ``behaviour.yaml``."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from pydantic import BaseModel

from docsite.models import table
from flows.search.space import Space
from tasks.behaviour import BehaviourTests
from tasks.core import params
from tasks.dataset.windows import Windows
from tasks.land import Source
from tasks.land.limits import Params as LandParams
from tasks.modelling.checkpoints.families import FAMILIES

TASKS = Path(__file__).resolve().parents[1] / "tasks"
INTRODUCTION = """# Every key of params.yaml

A key that is not here is refused by name, and so is a value that does not fit. What is left out of `params.yaml` has
the default. `driftline run` runs the stages that depend on what changed. `[]` stands for each entry of a list.
"""


def page() -> str:
    """The page, as Markdown."""
    parts = [INTRODUCTION, *_section("The top level", "", params.General)]
    parts += _section("windows", "Half-open ranges of time, UTC.", Windows)
    for name, model in sections():
        parts += _section(name, "", model)
    for name, module in FAMILIES.items():
        about = f"`model.config` where `model.family` is `{name}`."
        parts += _section(f"model.config, {name}", about, import_module(module).Settings)
    parts += _section("landing.yaml", "One entry for each source ([landing](../landing.md)).", Source)
    parts += _section("search.yaml", "What `driftline search` tries ([search](../howto/search.md)).", Space)
    parts += _section("behaviour.yaml", "Behaviour tests ([evaluation](../evaluation.md#behaviour)).", BehaviourTests)
    return "\n".join(parts)


def sections() -> Iterator[tuple[str, type[BaseModel]]]:
    """By name, the class of each section that a module of tasks/ reads."""
    for name in params.sections():
        if name == "land":
            yield name, LandParams
        elif _has_params(name):
            yield name, import_module(f"tasks.{name}").Params


def _has_params(name: str) -> bool:
    """Told from the source: importing every module of tasks/ takes long."""
    files = (TASKS / f"{name}.py", TASKS / name / "__init__.py")
    return any("\nclass Params(" in file.read_text(encoding="utf-8") for file in files if file.exists())


def _section(title: str, about: str, model: type[BaseModel]) -> list[str]:
    return [f"## {title}\n", *([f"{about}\n"] if about else []), *table(model), ""]
