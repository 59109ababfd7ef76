"""New packages, tried beside the repository before anything in it changes: ``driftline upgrade --lock``.

In the checkout's home, a clone gets a new ``requirements.lock``, from the ranges of ``pyproject.toml``, and an
environment of its own, in which the champion's test rows are scored anew. What was tried stays there until a person
approves it, which commits the lock and puts the champion on it, or drops it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated

import typer

from flows.champion import registry
from flows.champion.reissue import reissue
from flows.errors import FlowError
from flows.machine.git import git, identity, succeeds
from flows.machine.home import Home
from flows.machine.locks import holding
from flows.machine.version import TOP
from flows.runs import workspace
from tasks.core.cli import FAILED, FINE, run
from tasks.core.errors import UserError
from tasks.core.files import write_json
from tasks.core.paths import ENVIRONMENT
from tasks.environment import LOCK, decisive_versions, pins
from tasks.modelling.checkpoints.versions import DECISIVE

FOLDER = "packages"
"""Of the home."""
RANGES = Path("pyproject.toml")
NOT_LOCKED = ("driftline", "pip", "setuptools", "wheel")


def tried(home: Home) -> Path:
    """Where new packages are tried: ``code/``, a clone, and ``environment/``."""
    return home.folder / FOLDER


def attempt(home: Home, given: Path | None) -> int:
    """Make a lock and its environment, and score the champion there: 0, or 1 where only another model could be had.

    ``given``: requirements that narrow the ranges, such as a lock made elsewhere. UserError without a champion;
    FlowError where the packages cannot be installed.
    """
    with _alone(home):
        if registry.champion(home.origin) is None:
            raise UserError("there is no champion to score with new packages: `driftline promote` makes one")
        drop(home)
        head = git(home.origin, "rev-parse", "HEAD")
        folder = workspace.clone(home, head, tried(home) / "code", workspace.shared_cache(home))
        before = (folder / LOCK).read_text(encoding="utf-8") if (folder / LOCK).exists() else ""
        print(f"installing in {tried(home)}: minutes, and some GB", flush=True)
        lock = _install(home, folder, given)
        if changes := list(differences(pins(before), pins(lock))):
            print("\n".join(changes), flush=True)
            code = _rescore(home, _commit(home, folder, lock))
            yes = "to approve: `driftline upgrade --lock --yes`; " if code == FINE else ""
            print(f"nothing was changed; {yes}to drop it: `driftline upgrade --lock --drop`")
            return code
        drop(home)
        print(f"nothing to do: {LOCK} has what {given or RANGES} asks for")
        return FINE


def approve(home: Home, remote: str | None) -> int:
    """Commit the lock that was tried, and put the champion on it. UserError: none was, or what it was made of changed.

    ``remote`` gets the champion's new tags.
    """
    with _alone(home):
        folder = tried(home) / "code" / home.prefix
        if not (tried(home) / "environment").exists():
            raise UserError("no lock was tried yet: `driftline upgrade --lock` makes one and says what it changes")
        head = _head(home, folder)
        lock = (folder / LOCK).read_text(encoding="utf-8")
        git(folder, "reset", "--quiet", "--hard", head)
        commit = _commit(home, folder, lock)
        if code := _rescore(home, commit, "--yes", *(["--push", remote] if remote else [])):
            return code
        git(home.origin, "merge", "--quiet", "--ff-only", commit)
        drop(home)
    print(f"{LOCK} is committed: {commit[:12]}. Next: make setup, and start `driftline serve` again")
    return FINE


def drop(home: Home) -> bool:
    """Delete what was tried: whether there was something."""
    there = tried(home).exists()
    if there:
        shutil.rmtree(tried(home))
    return there


def differences(before: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    """In lines: each changed version of a package that decides a model's bytes, then all others."""
    changed = {name for name in {**before, **now} if before.get(name) != now.get(name)}
    words = {name: f"{name} {before.get(name, 'new:')} → {now.get(name, 'gone')}" for name in sorted(changed)}
    yield from (f"{words.pop(name)}, which decides a model's bytes" for name in DECISIVE if name in changed)
    if words:
        yield f"{len(words)} others: {', '.join(words.values())}"


def _alone(home: Home) -> AbstractContextManager[None]:
    return holding(home.make() / "locks" / "packages.lock", "driftline upgrade --lock", "refuse")


def _python(home: Home) -> Path:
    return tried(home) / "environment" / "bin" / "python"


def _install(home: Home, folder: Path, given: Path | None) -> str:
    """Install what the clone's ranges, and the given requirements, ask for: the text of its lock."""
    _said(sys.executable, "-m", "venv", str(_python(home).parents[1]))
    pip = (str(_python(home)), "-m", "pip", "--quiet", "--disable-pip-version-check")
    narrower = ["--requirement", str(given)] if given else []
    _said(*pip, "install", *narrower, f"{folder}[dev]")
    _said(*pip, "uninstall", "--yes", NOT_LOCKED[0])  # the code that runs is the repository's
    frozen = _said(*pip, "freeze", "--all", "--local", *(f"--exclude={name}" for name in NOT_LOCKED))
    return "".join(f"{line.removesuffix('+cpu')}\n" for line in frozen.splitlines())


def _said(*command: str) -> str:
    """What a command says; FlowError with its last lines where it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = "\n".join((done.stderr or done.stdout).splitlines()[-10:])
        raise FlowError(f"the new packages cannot be installed; the last lines of {' '.join(command[1:4])}:\n{last}")
    return done.stdout


def _head(home: Home, folder: Path) -> str:
    """The commit to put the lock on. UserError where files differ from it, or the lock was made of something else."""
    if changed := git(home.origin, "status", "--porcelain", "--untracked-files=no"):
        raise UserError(f"{home.origin} has uncommitted changes; commit or stash them first:\n{changed}")
    head = git(home.origin, "rev-parse", "HEAD")
    git(folder, "fetch", "--quiet", "origin", head)
    base = git(folder, "merge-base", "HEAD", head)
    if not succeeds(folder, "diff", "--quiet", base, head, "--", str(RANGES), str(LOCK), str(ENVIRONMENT)):
        raise UserError(f"{RANGES} or {LOCK} has changed since the lock was tried: `driftline upgrade --lock` again")
    return head


def _commit(home: Home, folder: Path, lock: str) -> str:
    """The lock and what follows from it on top of the clone's HEAD; the repository gets the commit, no branch to it."""
    (folder / LOCK).write_text(lock, encoding="utf-8")
    write_json(decisive_versions(lock), folder / ENVIRONMENT)
    git(folder, "add", "--", str(LOCK), str(ENVIRONMENT))
    git(folder, "commit", "--quiet", "--message", "New packages", environment=identity(folder))
    commit = git(folder, "rev-parse", "HEAD")
    git(home.origin, "fetch", "--quiet", str(home.top_of(folder)), commit)
    return commit


def _rescore(home: Home, commit: str, *options: str) -> int:
    """``main``, in the new environment: its exit code."""
    command = [str(_python(home)), "-m", "flows.upgrade.lock", str(home.origin), commit, *options]
    first = f"{_python(home).parent}{os.pathsep}{os.environ.get('PATH', '')}"  # stages are started by `python`
    return subprocess.run(command, cwd=TOP, env={**os.environ, "PATH": first}, check=False).returncode


def main(
    repository: Annotated[Path, typer.Argument()],
    commit: Annotated[str, typer.Argument()],
    yes: Annotated[bool, typer.Option("--yes")] = False,
    push: Annotated[str | None, typer.Option("--push")] = None,
) -> None:
    """Score the champion with the packages of the environment that this runs in."""
    found = reissue(Home.of(repository), commit, apply=yes, remote=push, again=not yes)
    print("\n".join(found.lines))
    raise typer.Exit(FINE if found.possible else FAILED)


if __name__ == "__main__":
    run(main)
