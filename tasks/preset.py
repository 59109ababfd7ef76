"""Lay a preset over ``params.yaml``: ``driftline preset gpu``.

A preset is a small file of the same shape in ``presets/``; what it does not name stays as it is, comments included. A
checkpoint that ``params.yaml`` names already stays, with its revision, where a preset names one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tasks.core import params
from tasks.core.errors import UserError
from tasks.core.files import replacing
from tasks.core.paths import PARAMS

PRESETS = Path("presets")


def lay_over(values: MutableMapping[str, Any], preset: Mapping[str, Any], at: str = "") -> list[str]:
    """Change ``values`` in place; gives each change in words."""
    changes: list[str] = []
    for key, new in preset.items():
        old = values.get(key)
        if isinstance(new, Mapping) and isinstance(old, MutableMapping) and old:
            changes += lay_over(old, new, f"{at}{key}.")
        elif old != new:
            changes.append(f"{at}{key}: {old} → {new}")
            values[key] = new
    return changes


def _null(representer: Any, _: None) -> Any:
    return representer.represent_scalar("tag:yaml.org,2002:null", "null")  # not nothing: the line stays as it was


def names(folder: Path = PRESETS) -> list[str]:
    """The presets that are there."""
    return sorted(found.stem for found in folder.glob("*.yaml"))


def apply(preset: Path, file: Path = PARAMS) -> list[str]:
    """Rewrite ``file`` with ``preset`` laid over it."""
    if not preset.is_file():
        raise UserError(f"there is no {preset}; the presets are: {', '.join(names(preset.parent))}")
    for path in (preset, file):
        params.read(path)  # unknown names end here, before anything is touched
    laid: Mapping[str, Any] = YAML().load(preset.read_text(encoding="utf-8"))  # numbers as written
    return change(file, _with_own_checkpoint(laid, params.read(file)))


def _with_own_checkpoint(preset: Mapping[str, Any], values: Mapping[str, Any]) -> Mapping[str, Any]:
    model = preset.get("model") or {}
    if not (model.get("name") and (values.get("model") or {}).get("name")):
        return preset
    return {**preset, "model": {key: new for key, new in model.items() if key not in ("name", "revision")}}


def change(file: Path, laid: Mapping[str, Any]) -> list[str]:
    """Rewrite ``file`` with these values laid over it; gives each change in words."""
    changes: list[str] = []
    edit(file, lambda values: changes.extend(lay_over(values, laid)))
    return changes


def edit(file: Path, rewrite: Callable[[Any], None]) -> None:
    """Rewrite ``file`` as ``rewrite`` changes its values in place; comments, quotes and numbers stay as written."""
    yaml = YAML()
    yaml.width, yaml.preserve_quotes = 120, True
    yaml.representer.add_representer(type(None), _null)
    values = yaml.load(file.read_text(encoding="utf-8"))
    rewrite(values)
    text = StringIO()
    yaml.dump(values, text)
    with replacing(file) as part:
        part.write_text(text.getvalue(), encoding="utf-8")
