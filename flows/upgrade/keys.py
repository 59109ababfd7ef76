"""Migrates keys and values of ``params.yaml`` and presets by the tables of the section classes: what was renamed."""

from __future__ import annotations

import importlib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

from ruamel.yaml.comments import CommentedMap

from flows.upgrade import documents
from tasks.core import params
from tasks.core.errors import UserError
from tasks.core.params import Section
from tasks.dataset.windows import Windows


def section_classes() -> dict[str, type[Section]]:
    """The class of each section that this release reads, ``windows`` included."""
    classes: dict[str, type[Section]] = {"windows": Windows}
    for name in params.sections():
        try:
            found = getattr(importlib.import_module(f"tasks.{name}"), "Params", None)
        except ModuleNotFoundError as error:
            message = f"tasks.{name} needs {error.name}: run the upgrade in a clone of the release after `make setup`"
            raise UserError(message) from None
        if found is not None:
            classes[name] = found
    return classes


def migrate(document: CommentedMap) -> list[str]:
    """Rename old keys and values in place; gives each renaming as ``old → new``."""
    classes = section_classes()
    done = list(_rename(document, params.General, ""))
    for name, cls in classes.items():
        if isinstance(document.get(name), CommentedMap):
            done += _rename(document[name], cls, f"{name}.")
    return done


def faults(document: Mapping[str, object], own: Collection[str]) -> list[str]:
    """What this release refuses in a ``params.yaml``; sections named in ``own`` are the team's."""
    classes, file = section_classes(), Path("params.yaml")
    general = {key: document[key] for key in params.General.model_fields if key in document}
    parts: list[tuple[type[Section], object, str]] = [(params.General, general, "")]
    parts += [(cls, document.get(name) or {}, name) for name, cls in classes.items()]
    known = {*params.General.model_fields, *classes, *own}
    found = [f"{file}: unknown section {name!r}" for name in document if name not in known]
    for cls, values, name in parts:
        try:
            params.parse(cls, values, name, file)
        except UserError as error:
            found += str(error).splitlines()
    return found


def _rename(values: CommentedMap, cls: type[Section], at: str) -> Iterator[str]:
    for old, new in cls.RENAMED.items():
        if old in values:
            _move(values, old, new)
            yield f"{at}{old} → {at}{new}"
    for key, names in cls.RENAMED_VALUES.items():
        if isinstance(old := values.get(key), str) and old in names:
            values[key] = names[old]
            yield f"{at}{key}: {old} → {names[old]}"
    for name, field in cls.model_fields.items():
        key = field.alias or name
        for inner in _sections(field.annotation):
            for place, part in _mappings(values.get(key), f"{at}{key}"):
                yield from _rename(part, inner, f"{place}.")


def _move(values: CommentedMap, old: str, new: str) -> None:
    """``new`` may lie in a section within this one: ``early.patience``."""
    *parents, last = new.split(".")
    if not parents:
        documents.rename(values, old, new)
        return
    here: Any = values
    for parent in parents:
        here = here.setdefault(parent, CommentedMap())
    here[last] = values.pop(old)


def _sections(annotation: Any) -> Iterator[type[Section]]:
    """The section classes within a field's type: ``Lora | None``, ``tuple[Trial, ...]``."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation
    for part in get_args(annotation):
        yield from _sections(part)


def _mappings(value: Any, place: str) -> Iterator[tuple[str, CommentedMap]]:
    if isinstance(value, CommentedMap):
        yield place, value
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from _mappings(part, f"{place}[{index}]")
