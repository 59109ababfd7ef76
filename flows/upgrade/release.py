"""Finds the release: its commit, fetched into the repository, and where its files have moved to."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from flows.errors import GitFailed
from flows.machine.git import git, succeeds, typed
from flows.machine.version import TOP, version_in
from flows.upgrade.moved import ALSO, MOVED
from tasks.core.errors import UserError

REMOTE = "upstream"
"""The git remote a release comes from unless another is named."""
FOLDERS = ("tasks/core", "tasks/dataset")
"""Named whole in the deps of stages."""


def fetch(repository: Path, source: str | None, revision: str | None) -> str:
    """The full name of the release's commit, its objects in the repository. Raises UserError.

    ``source`` is a git remote, an address or a checkout; None: the checkout whose code runs, or ``upstream`` there.
    """
    if source is None and repository != TOP:
        source = str(TOP)
    remote, wanted = typed(source or REMOTE, "--from"), typed(revision or "HEAD", "--to")
    if source is None and remote not in git(repository, "remote").split():
        raise UserError(f"{repository} has no remote {REMOTE!r}: name the release with --from REMOTE, URL or PATH")
    if Path(remote).is_dir():
        remote = str(Path(remote).resolve())
    try:
        git(repository, "fetch", "--quiet", "--no-tags", remote, wanted)
        return git(repository, "rev-parse", "--verify", "FETCH_HEAD^{commit}")
    except GitFailed as error:
        raise UserError(f"the release could not be fetched: {error}") from None


def base(repository: Path, release: str) -> str:
    """The last commit that the repository and the release share. Raises UserError when there is none."""
    if git(repository, "rev-parse", "--is-shallow-repository") == "true":
        raise UserError(f"{repository} is a shallow clone: run `git fetch --unshallow` first")
    if not succeeds(repository, "merge-base", "HEAD", release):
        raise UserError(f"{repository} shares no commit with the release: it was copied, not cloned, from Driftline")
    return git(repository, "merge-base", "HEAD", release)


def moved(repository: Path, before: str, release: str) -> dict[str, str]:
    """Old path → new path of the Python files that the release moved."""
    arguments = ("diff", "--name-status", "--diff-filter=R", "--find-renames=50%", "-l0", before, release)
    lines = git(repository, *arguments, "--", "tasks", "flows").splitlines()
    found = {old: new for _, old, new in (line.split("\t") for line in lines)}
    there = set(git(repository, "ls-tree", "-r", "--name-only", release, "--", "tasks", "flows").splitlines())
    return {**found, **{old: new for old, new in MOVED.items() if new in there and old not in there}}


def new_deps(moves: Mapping[str, str]) -> dict[str, list[str]]:
    """Old path in the deps of ``dvc.yaml`` → what to name instead."""
    found = {}
    for old, new in moves.items():
        named = next((folder for folder in FOLDERS if new.startswith(f"{folder}/")), new)
        found[old] = [named.removesuffix("/__init__.py"), *([ALSO[old]] if old in ALSO else [])]
    return found


def version(repository: Path, commit: str) -> str:
    """What a commit's pyproject.toml calls itself."""
    text = show(repository, commit, "pyproject.toml")
    return version_in(text) if text else "unknown"


def show(repository: Path, commit: str, path: str) -> str | None:
    """A file's text at a commit; None where it is not there."""
    if not succeeds(repository, "cat-file", "-e", f"{commit}:{path}"):
        return None
    return git(repository, "show", f"{commit}:{path}") + "\n"


def export(repository: Path, commit: str, folder: Path) -> None:
    """A checkout of the commit in ``folder``, which shares the repository's objects."""
    git(repository, "clone", "--quiet", "--shared", "--no-checkout", str(repository), str(folder))
    git(folder, "checkout", "--quiet", "--detach", commit)
