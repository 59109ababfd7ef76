"""Outputs that the same inputs gave other bytes for than the committed ``dvc.lock`` has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePath
from typing import Any

from flows.errors import GitFailed
from flows.machine.git import git
from tasks.core import chip, recorded
from tasks.core.paths import METRICS

Stages = Mapping[str, Any]


def lines(folder: Path) -> Iterator[str]:
    """One line where there are such outputs, with why and what puts the committed ones back; else nothing."""
    lock = folder / recorded.LOCK
    if not lock.is_file():
        return
    try:
        then = recorded.stages_in(git(folder, "show", f"HEAD:./{recorded.LOCK}"))
    except GitFailed:  # never committed, or no git repository
        return
    if found := outputs(then, recorded.stages_in(lock.read_text(encoding="utf-8"))):
        yield (
            f"not as in the committed {recorded.LOCK}, from the same inputs: {', '.join(found)}: it was made on "
            f"another kind of processor than {chip.kind()}, or with other versions; "
            f"`git checkout {recorded.LOCK} {METRICS} && dvc checkout` puts it back"
        )


def outputs(then: Stages, now: Stages) -> list[str]:
    """Paths whose md5 differs though command, params and deps are the same, or differ by such outputs alone."""
    found: list[str] = []
    while True:
        more = [path for name in then for path in _of(then[name], now.get(name, {}), found) if path not in found]
        if not more:
            return found
        found += more


def _of(then: Mapping[str, Any], now: Mapping[str, Any], unequal: list[str]) -> Iterator[str]:
    if any(then.get(kind) != now.get(kind) for kind in ("cmd", "params")):
        return
    deps, outs, deps_now, outs_now = (_md5s(stage, kind) for stage in (then, now) for kind in ("deps", "outs"))
    changed = [PurePath(path) for path in deps.keys() | deps_now.keys() if deps.get(path) != deps_now.get(path)]
    if all(any(path.is_relative_to(one) or PurePath(one).is_relative_to(path) for one in unequal) for path in changed):
        yield from (path for path in outs if path in outs_now and outs[path] != outs_now[path])


def _md5s(stage: Mapping[str, Any], kind: str) -> dict[str, str]:
    return {entry["path"]: entry.get("md5", "") for entry in stage.get(kind) or []}
