"""The steps of ``driftline upgrade``: fetch the release, merge it elsewhere first, then here."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from flows.machine.git import git, succeeds
from flows.machine.version import TOP
from flows.upgrade import release
from flows.upgrade.merge import Merge
from tasks.core.errors import UserError

UPGRADED, CONFLICTS = 0, 1


def upgrade(repository: Path, source: str | None = None, revision: str | None = None, *, apply: bool = False) -> int:
    """Take a release into the repository; without ``apply`` only say what would happen.

    ``source`` is a git remote, an address or a checkout, ``revision`` a branch, tag or commit there. The release's own
    code does the work, because it knows what it renamed. Gives 0, or 1 when conflicts are left to a person. Raises
    UserError.
    """
    repository = repository.resolve()
    _check(repository, apply)
    commit = release.fetch(repository, source, revision)
    if succeeds(repository, "merge-base", "--is-ancestor", commit, "HEAD"):
        print(f"nothing to do: {release.version(repository, commit)} ({commit[:7]}) is already merged")
        return UPGRADED
    if _runs(commit):
        return take(repository, commit, apply=apply)
    with tempfile.TemporaryDirectory() as folder:
        code = Path(folder) / "release"
        release.export(repository, commit, code)
        if not (code / "flows/upgrade").is_dir():
            raise UserError(f"{commit[:7]} is older than `driftline upgrade`: name a newer release with --to")
        command = [sys.executable, "-m", "flows.upgrade", str(repository), commit, *(["--yes"] if apply else [])]
        environment = {**os.environ, "PYTHONPATH": str(code)}
        return subprocess.run(command, cwd=code, env=environment, check=False).returncode


def take(repository: Path, commit: str, *, apply: bool) -> int:
    """Merge the release whose code this is; its commit is in the repository already."""
    before, base = git(repository, "rev-parse", "HEAD"), release.base(repository, commit)
    print(f"{release.version(repository, base)} ({base[:7]}) → {release.version(repository, commit)} ({commit[:7]})")
    if apply:
        return _merge(Merge(repository, commit, before, base), apply=True)
    with tempfile.TemporaryDirectory() as folder:
        trial = Path(folder) / "trial"
        release.export(repository, before, trial)
        return _merge(Merge(trial, commit, before, base), apply=False)


def _merge(merge: Merge, *, apply: bool) -> int:
    outcome = merge.run()
    for line in outcome.lines():
        print(line)
    if outcome.conflicts and apply:
        print("Settle each CONFLICT, `git add` the file, then `git commit`. To go back: git merge --abort")
    elif outcome.conflicts:
        print(f"{len(outcome.conflicts)} files need you. Nothing was changed; to begin: the same command with --yes")
    elif apply:
        if outcome.reviews:
            print(f"Look at each REVIEW: git diff {merge.release[:7]} -- PATH shows your edits")
        done = merge.commit(f"Upgrade to Driftline {release.version(merge.top, merge.release)}")
        print(f"upgraded in commit {done[:7]}. Next: make setup, driftline run, and start `driftline serve` again")
        print(f"To go back: git reset --hard {merge.before[:10]}")
    else:
        print("No conflict. Nothing was changed; to upgrade: the same command with --yes")
    return CONFLICTS if outcome.conflicts else UPGRADED


def _check(repository: Path, apply: bool) -> None:
    """Refuse a folder that is no repository's top, one in the middle of a merge, and uncommitted changes."""
    if not (repository / "params.yaml").is_file() or not succeeds(repository, "rev-parse", "HEAD"):
        raise UserError(f"{repository} is not the top of a Driftline repository")
    if inside := git(repository, "rev-parse", "--show-prefix").rstrip("/"):
        raise UserError(
            f"{repository} is a folder of a larger repository, where a release is taken with git alone: at the top, "
            f"`git subtree pull --prefix={inside} ADDRESS REVISION`"
        )
    if succeeds(repository, "rev-parse", "--verify", "--quiet", "MERGE_HEAD"):
        raise UserError(f"{repository} is in the middle of a merge: finish it, or `git merge --abort`")
    if apply and (changed := git(repository, "status", "--porcelain", "--untracked-files=no")):
        raise UserError(f"{repository} has uncommitted changes; commit or stash them first:\n{changed}")


def _runs(commit: str) -> bool:
    """Whether the code that runs is the release's."""
    return succeeds(TOP, "rev-parse", "HEAD") and git(TOP, "rev-parse", "HEAD") == commit
