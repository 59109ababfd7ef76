"""Merging a branch that ran the pipeline too: ``driftline merge``.

``dvc.lock`` and the metrics that git tracks conflict on every such merge, and text merged of both is of no run. So they
are settled by stage: a side has made what the merged stage makes if its inputs, parameters and command are those of the
merged tree. Where neither has, the stage runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

from dvc.dependency.param import MissingParamsError, ParamsDependency
from dvc.exceptions import DvcException
from dvc.output import Output
from dvc.repo import Repo
from dvc.stage import Stage
from ruamel.yaml import YAML

from flows.errors import GitFailed
from flows.machine.git import git, identity, succeeds, typed
from flows.pipeline.graph import flat
from flows.runs import workspace
from tasks.core.errors import UserError
from tasks.core.files import replacing
from tasks.core.yaml_files import parse_yaml

LOCK = Path("dvc.lock")
OURS, THEIRS = "HEAD", "MERGE_HEAD"
Entry = Mapping[str, Any]


@dataclass
class Settled:
    """What became of the stages."""

    taken: dict[str, str] = field(default_factory=dict)
    """By stage, the side that made it."""
    to_run: list[str] = field(default_factory=list)
    """Stages that neither side made of these inputs."""
    missing: list[str] = field(default_factory=list)
    """Outputs that were taken and are neither in the cache nor at DVC's remote."""

    def lines(self) -> Iterator[str]:
        """For a person."""
        for side, words in ((OURS, "as this branch made it"), (THEIRS, "as the other branch made it")):
            if names := [name for name, made_by in self.taken.items() if made_by == side]:
                yield f"{words}: {', '.join(names)}"
        if self.to_run:
            yield f"made by neither of these inputs, so it runs: {', '.join(self.to_run)}"
        if self.missing:
            yield f"not here, so it is made again: {', '.join(self.missing)}"


def begin(top: Path, branch: str | None) -> bool:
    """Merge the branch as far as git can; without one, go on with the merge that is under way: whether there is one.

    UserError where there is none to go on with, or where tracked files have changes.
    """
    if under_way(top):
        if branch:
            raise UserError("a merge is under way: `driftline merge` goes on with it, `git merge --abort` gives it up")
        return True
    if branch is None:
        raise UserError("no merge is under way: name the branch to merge")
    if git(top, "status", "--porcelain", "--untracked-files=no", "--", "."):
        raise UserError("tracked files have changes: commit or stash them, then merge")
    git(top, "rev-parse", "--verify", "--quiet", f"{typed(branch, 'BRANCH')}^{{commit}}")
    try:
        git(top, "merge", "--no-commit", "--no-ff", "--quiet", branch, environment=identity(top))
    except GitFailed:
        if not under_way(top):
            raise
    return under_way(top)


def under_way(top: Path) -> bool:
    """Whether git is in the middle of a merge."""
    return succeeds(top, "rev-parse", "--verify", "--quiet", THEIRS)


def conflicts(top: Path) -> list[str]:
    """The files that a person has to settle: all that conflict but what stages make."""
    made = {str(path) for path in generated(top)}
    found = git(top, "diff", "--name-only", "--relative", "--diff-filter=U").splitlines()
    return [path for path in found if path not in made]


def generated(top: Path) -> set[Path]:
    """``dvc.lock`` and the outputs that git tracks, as either side's ``dvc.lock`` names them."""
    entries = [entry for side in (OURS, THEIRS) for entry in _lock(top, side).values()]
    return {LOCK} | {Path(out["path"]) for entry in entries for out in entry.get("outs") or []}


def settle(top: Path) -> Settled:
    """Write ``dvc.lock`` and the outputs that git tracks, by stage. UserError where DVC cannot read the merged tree."""
    sides = {side: _lock(top, side) for side in (OURS, THEIRS)}
    _write(top, sides[OURS])  # so that DVC can read what it left in conflict
    done = Settled()
    chosen: dict[str, Entry] = {}
    with _repo(top) as repo:
        stages = {stage.addressing: stage for stage in repo.index.stages if not stage.is_data_source}
        tree = _Tree(repo, stages)
        for name in _order(repo, stages):
            side = next((side for side, lock in sides.items() if tree.is_made(stages[name], lock)), None)
            if side is None:
                done.to_run.append(name)
                continue
            done.taken[name], chosen[name] = side, sides[side][name]
            tree.take(chosen[name])
            _bring(top, stages[name], side)
        _write(top, chosen)
    done.missing = _check_out(top)
    return done


def _check_out(top: Path) -> list[str]:
    """Bring what was taken, from the cache or DVC's remote: what is in neither."""
    with _repo(top) as repo:
        repo.checkout(force=True, allow_missing=True)
        outs = [out for stage in repo.index.stages for out in stage.outs if out.use_cache and out.hash_info]
        missing = [out.fs_path for out in outs if not out.exists]
        if missing and workspace.default_remote(top):
            repo.pull(targets=missing, allow_missing=True)
        return [str(Path(path).relative_to(repo.root_dir)) for path in missing if not Path(path).exists()]


def finish(top: Path) -> str:
    """Commit the merge with what stages have made: the commit."""
    there = [str(path) for path in sorted(generated(top)) if (top / path).exists() and not _ignored(top, path)]
    git(top, "add", "--", *there)
    git(top, "commit", "--quiet", "--no-edit", environment=identity(top))
    return git(top, "rev-parse", "HEAD")


class _Tree:
    """The merged tree as stages see it: sources as they lie there, outputs as the chosen sides made them."""

    def __init__(self, repo: Repo, stages: Mapping[str, Stage]) -> None:
        self._outs: dict[str, str] = {}
        self._made_by_stages = {str(out.def_path) for stage in stages.values() for out in stage.outs}
        self._tracked: dict[str, str | None] = {
            str(Path(out.fs_path).relative_to(repo.root_dir)): out.hash_info.value
            for stage in repo.index.stages
            if stage.is_data_source
            for out in stage.outs
        }

    def take(self, entry: Entry) -> None:
        """Note the outputs of a stage's entry as those that count."""
        self._outs |= _md5s(entry, "outs")

    def is_made(self, stage: Stage, lock: Mapping[str, Entry]) -> bool:
        """Whether a side's ``dvc.lock`` has made the stage as it is now, of the inputs as they are now."""
        entry = lock.get(stage.addressing)
        if entry is None or entry.get("cmd") != stage.cmd:
            return False
        files = {str(dep.def_path): dep for dep in stage.deps if not isinstance(dep, ParamsDependency)}
        then = _md5s(entry, "deps")
        if files.keys() != then.keys() or {str(out.def_path) for out in stage.outs} != _md5s(entry, "outs").keys():
            return False
        side = {path: md5 for one in lock.values() for path, md5 in _md5s(one, "outs").items()}
        return _params_now(stage) == _params_then(entry) and all(
            self._is_as_read(path, md5, files[path], side) for path, md5 in then.items()
        )

    def _is_as_read(self, path: str, md5: str, dep: Output, side: Mapping[str, str]) -> bool:
        """Whether what a stage reads is what it read then; of a part of an output, whether the whole is that side's."""
        outs = [out for out in self._made_by_stages if _overlap(path, out)]
        if outs:
            return all(out in self._outs and self._outs[out] == side.get(out) for out in outs)
        if path in self._tracked:
            return self._tracked[path] == md5
        try:
            return str(dep.get_hash().value) == md5
        except (OSError, DvcException):
            return False


def _overlap(one: str, other: str) -> bool:
    return Path(one).is_relative_to(other) or Path(other).is_relative_to(one)


def _md5s(entry: Entry, kind: str) -> dict[str, str]:
    return {one["path"]: one.get("md5", "") for one in entry.get(kind) or []}


def _params_now(stage: Stage) -> dict[str, object]:
    found: dict[str, object] = {}
    for dep in stage.deps:
        if isinstance(dep, ParamsDependency):
            try:
                found |= flat(dep.read_params(flatten=False, track_data=False))
            except MissingParamsError:
                return {"": "missing"}
    return found


def _params_then(entry: Entry) -> dict[str, object]:
    found: dict[str, object] = {}
    for values in (entry.get("params") or {}).values():
        found |= flat(values)
    return found


def _order(repo: Repo, stages: Mapping[str, Stage]) -> Iterator[str]:
    import networkx as nx

    names = nx.relabel_nodes(repo.index.graph, {stage: stage.addressing for stage in repo.index.graph})
    yield from (name for name in nx.lexicographical_topological_sort(names.reverse(copy=False)) if name in stages)


def _bring(top: Path, stage: Stage, side: str) -> None:
    """The outputs that git tracks, as that side has them."""
    for out in stage.outs:
        if not out.use_cache and succeeds(top, "cat-file", "-e", f"{side}:./{out.def_path}"):
            git(top, "restore", f"--source={side}", "--staged", "--worktree", "--", str(out.def_path))


def _repo(top: Path) -> Repo:
    try:
        return Repo(str(top))
    except DvcException as error:
        raise UserError(f"the merged tree cannot be read: {error}") from None


def _lock(top: Path, side: str) -> dict[str, Any]:
    """The stages that a side's ``dvc.lock`` knows; none where it has none."""
    if not succeeds(top, "cat-file", "-e", f"{side}:./{LOCK}"):
        return {}
    found = parse_yaml(git(top, "show", f"{side}:./{LOCK}"), LOCK)
    return dict(found.get("stages") or {})


def _write(top: Path, entries: Mapping[str, Entry]) -> None:
    text = StringIO()
    YAML().dump({"schema": "2.0", "stages": dict(entries)}, text)
    with replacing(top / LOCK) as part:
        part.write_text(text.getvalue(), encoding="utf-8")


def _ignored(top: Path, path: Path) -> bool:
    return succeeds(top, "check-ignore", "--quiet", "--", str(path))
