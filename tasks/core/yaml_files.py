"""YAML that a person wrote, or whoever could: plain values only, of a bounded size, or refused in a sentence."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import accumulate
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from tasks.core.errors import UserError

MAX_VALUES = 1_000_000
"""An alias counts as all that it stands for: a few lines can stand for a thousand million values."""
MAX_DEPTH = 64
MAX_OPEN = 1_000  # brackets: the parser's time grows with the square of those that are open


def read_yaml(file: Path, quoted: bool = True) -> Any:
    """The content of a file. Raises FileNotFoundError where it is missing, UserError where it cannot be used.

    ``quoted``: a fault's message may quote the line, which holds no secret.
    """
    try:
        return parse_yaml(file.read_text(encoding="utf-8"), file, quoted)
    except IsADirectoryError:
        raise UserError(f"{file} is a folder where a file is expected: remove it") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{file} is not valid YAML: {error}: correct it, or see `git diff {file}`") from None


def parse_yaml(text: str, file: Path, quoted: bool = True) -> Any:
    """The same of a text, of ``file`` at some commit for one."""
    try:
        require_flat(text, file)
        found = YAML(typ="safe").load(text)
    except RecursionError:
        raise _too_deep(file) from None
    except (YAMLError, ValueError, TypeError) as error:  # ruamel raises the last two on dates, numbers and other tags
        mark = error.problem_mark if isinstance(error, MarkedYAMLError) else None
        place = f"{file}: line {mark.line + 1}" if mark else file
        said = f"{file} is not valid YAML: {error}: correct it, or see `git diff {file}`"
        raise UserError(said if quoted else f"{place} is not valid YAML") from None
    require_bounded(found, file)
    return found


def require_flat(text: str, file: Path) -> None:
    """UserError where so many brackets are open at once, those in quotes too, that to parse the text takes minutes."""
    steps = (1 if sign in "[{" else -1 for sign in re.findall(r"[][{}]", text))
    if max(accumulate(steps), default=0) > MAX_OPEN:
        raise _too_deep(file)


def require_bounded(value: object, file: Path) -> None:
    """UserError where values stand for too many others, are nested too deeply or contain themselves."""
    if _expanded(value, file, {}, 0) > MAX_VALUES:
        raise UserError(f"{file} holds aliases that stand for more than {MAX_VALUES:,} values: write them out")


def _expanded(value: object, file: Path, known: dict[int, int], depth: int) -> int:
    """How many values these are with each alias written out."""
    if not isinstance(value, Mapping | list | set | tuple):
        return 1
    if depth > MAX_DEPTH:  # what contains itself ends here too
        raise _too_deep(file)
    if id(value) not in known:
        inner = [*value, *value.values()] if isinstance(value, Mapping) else value
        known[id(value)] = 1 + sum(_expanded(one, file, known, depth + 1) for one in inner)
    return known[id(value)]


def _too_deep(file: Path) -> UserError:
    return UserError(f"{file} is nested more than {MAX_DEPTH} deep, or contains itself: write it flatter")
