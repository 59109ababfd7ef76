"""The Jinja environment of every page: values are escaped, and an undefined one is an error."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined


def environment(folder: Path, filters: Iterable[Callable[..., Any]] = (), *, escape: bool = True) -> Environment:
    """Renders the templates of a folder; each filter goes by its function's name. Markdown asks for no ``escape``."""
    found = Environment(
        loader=FileSystemLoader(folder),
        autoescape=escape,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    found.filters |= {each.__name__: each for each in filters}
    return found
