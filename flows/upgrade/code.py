"""Migrates what a team's own Python files import from ``tasks`` and ``flows``: moved modules, renamed names.

Files are read, never run. What cannot be found in the release is named with its line; a name used in another way than
by an import (``getattr``, a string) is not seen.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

NAMES = {"Refused": "UserError", "SEEN": "IMAGE_PROPERTIES"}
"""Names that own code imports and what each is called in this release."""
OURS = ("tasks", "flows")
SHARED = ("tasks.core.", "tasks.dataset.", "tasks.modelling.", "tasks.statistics.")


@dataclass(frozen=True)
class Release:
    """The modules of the release, as files below ``top``."""

    top: Path
    moved: Mapping[str, str]
    """Old path → new path of files that were moved."""
    own: frozenset[str] = frozenset()
    """Modules of the team, which the release does not have."""

    @cached_property
    def trees(self) -> dict[str, ast.Module]:
        """Every module, parsed."""
        files = [file for part in OURS for file in (self.top / part).glob("**/*.py")]
        return {module_name(file.relative_to(self.top)): ast.parse(file.read_text(encoding="utf-8")) for file in files}

    @cached_property
    def modules(self) -> dict[str, set[str]]:
        """Every module and the names that can be imported from it."""
        return {module: {*_names(tree.body), *_imported(tree.body)} for module, tree in self.trees.items()}

    def home_of(self, name: str) -> list[str]:
        """The modules that define a name: those that stages share where there are any, else all."""
        homes = sorted(module for module, tree in self.trees.items() if name in set(_names(tree.body)))
        return [home for home in homes if home.startswith(SHARED)] or homes

    def has(self, module: str, name: str) -> bool:
        """Whether ``from module import name`` works."""
        if module in self.own or f"{module}.{name}" in self.own:
            return True
        return f"{module}.{name}" in self.modules or name in self.modules.get(module, set())

    def find(self, module: str, name: str) -> tuple[str, str] | None:
        """Where that name is now, as module and name; None when it is gone or could be one of several."""
        new = self.moved.get(_path(f"{module}.{name}")) or self.moved.get(_path(f"{module}.{name}", package=True))
        if new:
            place, _, last = module_name(Path(new)).rpartition(".")
            return place, last
        name = NAMES.get(name, name)
        home = self.moved_module(module)
        if self.has(home, name):
            return home, name
        homes = self.home_of(name)
        return (homes[0], name) if len(homes) == 1 else None

    def moved_module(self, module: str) -> str:
        """The module's name in the release."""
        new = self.moved.get(_path(module)) or self.moved.get(_path(module, package=True))
        return module_name(Path(new)) if new else module


@dataclass
class Migrated:
    """A file's new text, and what a person has to look at."""

    text: str
    faults: list[str] = field(default_factory=list)


def migrate(text: str, release: Release) -> Migrated:
    """The file's text with its imports as this release has them."""
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        return Migrated(text, [f"line {error.lineno} is no Python: {error.msg}"])
    result, edits = Migrated(text), _Edits(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and _is_ours(node.module):
            _import(node, tree, release, edits, result)
        elif isinstance(node, ast.Import):
            gone = [
                a.name for a in node.names if _is_ours(a.name) and a.name not in release.own | release.modules.keys()
            ]
            result.faults += [
                f"line {node.lineno}: {name} is now {release.moved_module(name)}"
                if release.moved_module(name) != name
                else f"line {node.lineno}: there is no module {name}"
                for name in gone
            ]
    result.text = edits.applied()
    return result


def _import(node: ast.ImportFrom, tree: ast.Module, release: Release, edits: _Edits, result: Migrated) -> None:
    """One ``from … import …``: written anew when a name in it has moved."""
    module, lines, changed = str(node.module), dict[str, list[str]](), False
    for alias in node.names:
        place, name = module, alias.name
        if not release.has(module, name):
            found = release.find(module, name)
            if found is None:
                result.faults.append(f"line {node.lineno}: {module} has no {name}; see CHANGELOG.md")
            else:
                (place, name), changed = found, True
        shown = alias.asname or name
        lines.setdefault(place, []).append(name if shown == name else f"{name} as {shown}")
        if alias.asname is None and name != alias.name:
            edits.rename(tree, alias.name, name)
        if f"{place}.{name}" in release.modules:
            for home in _attributes(alias.asname or alias.name, shown, f"{place}.{name}", tree, release, edits, result):
                parent, _, last = home.rpartition(".")
                lines.setdefault(parent, []).append(last)
                changed = True
    if changed:
        new = [f"from {place} import {', '.join(dict.fromkeys(names))}" for place, names in lines.items()]
        edits.replace(node, f"\n{' ' * node.col_offset}".join(new))


def _attributes(
    old: str, new: str, module: str, tree: ast.Module, release: Release, edits: _Edits, result: Migrated
) -> Iterator[str]:
    """Uses of an imported module: ``errors.Refused`` becomes ``errors.UserError``; gives modules to import besides."""
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == old):
            continue
        name = node.attr if release.has(module, node.attr) else NAMES.get(node.attr, node.attr)
        homes = [module] if release.has(module, name) else release.home_of(name)
        if len(homes) != 1:
            where = f"; it may be in {', '.join(homes)}" if homes else "; see CHANGELOG.md"
            result.faults.append(f"line {node.lineno}: {module} has no {node.attr}{where}")
        elif homes != [module]:
            edits.replace(node, f"{homes[0].rpartition('.')[2]}.{name}")
            yield homes[0]
        elif name != node.attr:
            edits.replace(node, f"{new}.{name}")


class _Edits:
    """Changes of a text by its lines and columns, applied from the end backwards."""

    def __init__(self, text: str) -> None:
        self.lines = text.encode("utf-8").splitlines(keepends=True)  # ast counts columns in bytes
        self.edits: dict[tuple[int, int], tuple[tuple[int, int], str]] = {}

    def replace(self, node: ast.stmt | ast.expr, text: str) -> None:
        """Put the text in the node's place."""
        self.edits[node.lineno, node.col_offset] = ((node.end_lineno or 0, node.end_col_offset or 0), text)

    def rename(self, tree: ast.Module, old: str, new: str) -> None:
        """Rename a name wherever it is used; what was put in the place of a longer expression stays."""
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and node.id == old:
                self.edits.setdefault(
                    (node.lineno, node.col_offset), ((node.end_lineno or 0, node.end_col_offset or 0), new)
                )

    def applied(self) -> str:
        """The changed text."""
        lines = list(self.lines)
        for (line, start), ((last, end), text) in sorted(self.edits.items(), reverse=True):
            tail = lines[last - 1][end:]
            lines[line - 1 : last] = [lines[line - 1][:start] + text.encode("utf-8") + tail]
        return b"".join(lines).decode("utf-8")


def _is_ours(module: str | None) -> bool:
    return bool(module) and str(module).split(".")[0] in OURS


def module_name(path: Path) -> str:
    """The module of a file, its path relative to the top."""
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _path(module: str, *, package: bool = False) -> str:
    return module.replace(".", "/") + ("/__init__.py" if package else ".py")


def _names(body: list[ast.stmt]) -> Iterator[str]:
    """What a module defines at its top level."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Assign):
            yield from (part.id for target in node.targets for part in ast.walk(target) if isinstance(part, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id
        elif isinstance(node, ast.If | ast.Try):
            yield from _names([*node.body, *node.orelse])


def _imported(body: list[ast.stmt]) -> Iterator[str]:
    for node in body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from (alias.asname or alias.name for alias in node.names)
