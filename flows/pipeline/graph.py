"""What DVC knows: the stages in order, what is stale, and why. Nothing is declared here a second time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import networkx as nx
from dvc.dependency.param import MissingParamsError, ParamsDependency
from dvc.exceptions import DvcException
from dvc.repo import Repo
from dvc.stage import Stage

from flows.errors import UnknownStage
from tasks.core.errors import UserError


@dataclass
class Dag:
    """The pipeline of the repository at ``root`` (default: here), read once."""

    root: str | None = None
    _stages: dict[str, Stage] = field(init=False)
    _graph: nx.DiGraph = field(init=False)
    _repo: Repo = field(init=False)

    def __post_init__(self) -> None:
        try:
            self._repo = Repo(self.root)
            graph = self._repo.index.graph
        except DvcException as error:
            raise UserError(f"dvc.yaml cannot be read: {error}") from None
        self._stages = {stage.addressing: stage for stage in graph}
        self._graph = nx.relabel_nodes(graph, {stage: stage.addressing for stage in graph})

    def order(self, targets: Iterable[str] | None = None) -> list[str]:
        """The stages, each after those it reads from; with ``targets``, those and what they need."""
        # DVC's edges point from a stage to what it depends on, and names settle ties the same way every time
        ordered = list(nx.lexicographical_topological_sort(self._graph.reverse(copy=False)))
        ordered = [name for name in ordered if not name.endswith(".dvc")]
        if targets is None:
            return ordered
        wanted = {name for target in targets for one in self._expand(target) for name in (one, *self.needs(one))}
        return [name for name in ordered if name in wanted]

    def _expand(self, target: str) -> list[str]:
        """``ingest`` stands for ``ingest@reference`` and ``ingest@current``."""
        found = [name for name in self._stages if name == target or name.startswith(f"{target}@")]
        if not found:
            raise UnknownStage(f"no stage {target!r}; the stages are {', '.join(self.order())}")
        return found

    def needs(self, name: str) -> set[str]:
        """Every stage that comes before ``name``."""
        return set(nx.descendants(self._graph, name))

    def after(self, name: str) -> list[str]:
        """The stage and every one that reads from it, near or far, in order."""
        if name not in self._graph:
            raise UnknownStage(f"no stage {name!r}; the stages are {', '.join(self.order())}")
        reached = {name, *nx.ancestors(self._graph, name)}
        return [one for one in self.order() if one in reached]

    def reads_from(self, name: str) -> set[str]:
        """The stages whose outputs ``name`` reads."""
        return set(self._graph.successors(name))

    def command(self, name: str) -> str:
        """What the stage runs."""
        return str(self._stages[name].cmd)

    def outputs(self, name: str) -> list[Path]:
        """Where the stage's outputs lie."""
        return [Path(out.def_path) for out in self._stages[name].outs]

    @property
    def cache(self) -> str:
        """The folder of DVC's cache, or one above it that is there."""
        folder = Path(self._repo.cache.local_cache_dir)
        return str(next(one for one in (folder, *folder.parents) if one.exists()))

    def size(self, name: str) -> int:
        """Bytes of the stage's outputs when it last ran; 0 when that is not known."""
        return sum(out.meta.size or 0 for out in self._stages[name].outs if out.meta)

    def stale(self, name: str | None = None) -> dict[str, list[str]]:
        """The stages that are not up to date, each with its reasons in words; of all, or of one."""
        found: Mapping[str, list[Any]] = self._repo.status(targets=[name] if name else None)
        return {stage: list(self._reasons(stage, changes)) for stage, changes in found.items() if stage in self._stages}

    def _reasons(self, name: str, changes: list[Any]) -> Iterator[str]:
        stage = self._stages[name]
        if not any(out.hash_info for out in stage.outs):
            yield "never run"
            return
        for change in changes:
            if isinstance(change, str):
                yield {"always changed": "runs always"}.get(change, change)
                continue
            for path, what in change.get("changed deps", {}).items():
                yield from self._params(stage) if isinstance(what, Mapping) else [_of_file(path, what)]
            for path, what in change.get("changed outs", {}).items():
                yield _of_file(path, what)

    def _params(self, stage: Stage) -> Iterator[str]:
        for dep in stage.deps:
            if isinstance(dep, ParamsDependency):
                old = flat(dep.hash_info.value or {})
                try:
                    new = flat(dep.read_params(flatten=False, track_data=False))
                except MissingParamsError as error:
                    yield str(error)
                    continue
                changed = [key for key in {**old, **new} if old.get(key) != new.get(key)]
                yield from (f"{key} {_show(old, key)} → {_show(new, key)}" for key in changed)


def flat(values: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    """Nested values by their dotted names."""
    found: dict[str, object] = {}
    for key, value in values.items():
        name = f"{prefix}{key}"
        found |= flat(value, f"{name}.") if isinstance(value, Mapping) and value else {name: value}
    return found


def _show(values: Mapping[str, object], key: str) -> str:
    return repr(values[key]) if key in values else "(none)"


def _of_file(path: str, what: str) -> str:
    words = {"modified": "changed", "new": "is new", "deleted": "is missing", "not in cache": "is not in the cache"}
    return f"{path} {words.get(what, what)}"
