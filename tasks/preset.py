"""Lay a preset over ``params.yaml``: ``python -m tasks.preset gpu``.

A preset is a small file of the same shape in ``presets/``; what it does not name stays as it is, comments included.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, MutableMapping
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tasks.core import params
from tasks.core.cli import run
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


def apply(preset: Path, file: Path = PARAMS) -> list[str]:
    """Rewrite ``file`` with ``preset`` laid over it."""
    if not preset.is_file():
        there = ", ".join(sorted(found.stem for found in preset.parent.glob("*.yaml")))
        raise UserError(f"there is no {preset}; the presets are: {there}")
    for path in (preset, file):
        params.read(path)  # unknown names end here, before anything is touched
    yaml = YAML()
    yaml.width, yaml.preserve_quotes = 120, True
    yaml.representer.add_representer(type(None), _null)
    values, laid = (yaml.load(path.read_text(encoding="utf-8")) for path in (file, preset))  # numbers as written
    changes = lay_over(values, laid)
    text = StringIO()
    yaml.dump(values, text)
    with replacing(file) as part:
        part.write_text(text.getvalue(), encoding="utf-8")
    return changes


def main() -> None:
    """Lay the preset named on the command line over params.yaml."""
    parser = argparse.ArgumentParser(prog="python -m tasks.preset", description=__doc__)
    parser.add_argument("name", help="a file of presets/, without its ending")
    for change in apply(PRESETS / f"{parser.parse_args().name}.yaml") or ["nothing to change"]:
        print(change)


if __name__ == "__main__":
    run(main)
