"""``params.yaml`` of a clone, which may be of an earlier release: what was renamed since is read, not refused.

In the working tree they are refused, with their new name: whoever edits that file reads the message.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from flows.machine.git import git
from flows.machine.home import Home
from tasks.core import paths
from tasks.core.params import Section, parse
from tasks.core.yaml_files import parse_yaml
from tasks.dataset.windows import Windows
from tasks.score import Precision

S = TypeVar("S", bound=Section)


def section_today(cls: type[S], section: str, file: Path) -> S:
    """A section of any release as today's class. UserError: a value that it cannot be."""
    return section_in(cls, section, file.read_text(encoding="utf-8"), file)


def section_in(cls: type[S], section: str, text: str, where: Path) -> S:
    """The same of the text of a ``params.yaml``."""
    return section_of(cls, section, _content(text), where)


def section_of(cls: type[S], section: str, content: Mapping[str, Any], where: Path = paths.PARAMS) -> S:
    """The same of the content of a ``params.yaml``."""
    return parse(cls, _renamed(cls, content.get(section) or {}), section, where)


def windows_of(file: Path) -> Windows:
    """The section ``windows``."""
    return section_today(Windows, "windows", file)


def windows_at(home: Home, commit: str) -> Windows:
    """The same as it is at a commit of the repository."""
    text = git(home.origin, "show", f"{commit}:./{paths.PARAMS}")
    return section_in(Windows, "windows", text, paths.PARAMS)


def seed_of(file: Path) -> int:
    """The top-level ``seed``."""
    return int(_content(file.read_text(encoding="utf-8")).get("seed", 7))


def precision_in(file: Path) -> Precision:
    """``score.precision``; releases before 0.3.0 had fp32 alone."""
    found: Precision = (_content(file.read_text(encoding="utf-8")).get("score") or {}).get("precision", "fp32")
    return found


def _content(text: str) -> dict[str, Any]:
    return dict(parse_yaml(text, paths.PARAMS) or {})


def _renamed(cls: type[Section], values: Mapping[str, object]) -> dict[str, object]:
    """The section under today's names and values; what stands under a new name already stays."""
    old = {cls.RENAMED[key]: value for key, value in values.items() if key in cls.RENAMED}
    found = {**old, **{key: value for key, value in values.items() if key not in cls.RENAMED}}
    for key, names in cls.RENAMED_VALUES.items():
        if isinstance(value := found.get(key), str):
            found[key] = names.get(value, value)
    return found
