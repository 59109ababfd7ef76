"""Changing the champion: what is asked before, what is tagged, and what is still to be done. Without Prefect."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, chdir
from dataclasses import dataclass
from pathlib import Path

from dvc.repo import Repo

from flows.champion import comparison, registry
from flows.champion.comparison import clone_with
from flows.champion.manifest import PROMOTED, Manifest
from flows.champion.training_window import Trained, staler
from flows.champion.verdict import Verdict
from flows.machine.git import address, git, succeeds, typed
from flows.machine.home import Home
from flows.machine.locks import holding
from flows.runs import dvc_remote, kept, record, workspace
from flows.runs.run_record import Version
from flows.tracking import queue
from tasks.core import paths
from tasks.core.errors import UserError
from tasks.gate import Rule


@dataclass(frozen=True)
class Outcome:
    """What came of a proposal."""

    verdict: Verdict
    may_promote: bool
    """The gate says so, and the model has learnt from no older rows than the champion."""
    promoted: Version | None
    words: str
    """All of it, for a person."""


def candidate(home: Home, revision: str) -> str:
    """The commit that a revision, or a run's record, names. UserError for HEAD while tracked files differ from it."""
    changed = git(home.origin, "status", "--porcelain", "--untracked-files=no", "--", ".").splitlines()
    if revision == "HEAD" and changed:
        raise UserError(
            f"{len(changed)} tracked files differ from the last commit, {changed[0].split()[-1]!r} for one, and a "
            "champion is a commit: commit them (dvc.lock and metrics/ too), or name another with --commit"
        )
    if succeeds(home.origin, "rev-parse", "--verify", "--quiet", f"{typed(revision, '--commit')}^{{commit}}"):
        return git(home.origin, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
    return record.find(home.origin, revision).commit


def what_follows(may: bool, revision: str, rule: Rule | None) -> str:
    """The command that promotes what was judged, by the same rule, or against the verdict."""
    named = "" if revision == "HEAD" else f" --commit {revision}"
    if not may:
        return f"the gate does not allow it, and only `driftline promote{named} --force` overrules"
    return f"`driftline promote{named}{f' --rule {rule}' if rule else ''}` acts on this"


def propose(home: Home, revision: str, promote: bool, force: bool, rule: Rule | None, remote: str | None) -> Outcome:
    """Judge the revision's model against the champion; make it the champion when asked and the verdict allows, or by
    force."""
    commit = candidate(home, revision)
    if remote:
        address(home.origin, remote, "--push")
    with alone(home):
        champion = registry.champion(home.origin)
        if champion and champion.commit == commit:
            raise UserError(f"{commit[:12]} is the champion already: {champion}")
        verdict = comparison.judge(home, commit, champion, rule)
        comparison.add_note(home.origin, verdict)
        older = staler(home, commit, champion)
        may, words = verdict.promote and not older, "\n".join([str(verdict), *_who(home, commit, champion)])
        if not (force or (promote and may)):
            last = "not promoted" if promote else f"nothing was changed; {what_follows(may, revision, rule)}"
            return Outcome(verdict, may, None, f"{words}\n{last}{f': {older}' if older else ''}")
        how = "promoted" if may else "promoted by force, " + ("an older model" if older else "against the verdict")
        message = f"{how}, after {champion or 'none'}\n\n{verdict}\n\n{verdict.line()}"
        promoted = [path for path in PROMOTED if record.made(home.origin, commit, path)]
        version, after = take(home, commit, message, remote, promoted)
    return Outcome(verdict, may, version, "\n".join([words, f"{how}: {version}", *after]))


def _who(home: Home, commit: str, champion: Version | None) -> Iterator[str]:
    """What each of the two has learnt from, a line each."""
    run = next((one.name for one in record.records(home.origin) if one.commit == commit), f"commit {commit[:12]}")
    for name, at in ((f"model: {run}", commit), (f"champion: {champion}", champion.commit if champion else None)):
        if at:
            trained = Trained.at(home, at)
            days = trained.age_days(record.now())
            age = f", {days:,.0f} days ago" if days is not None and days >= 1 else ""
            yield f"{name}, trained on {trained}{age}"


def rollback(home: Home, name: str | None, remote: str | None) -> list[str]:
    """Make the champion's predecessor, or the version named, champion again: lines for the user."""
    if remote:
        address(home.origin, remote, "--push")
    with alone(home):
        champion = registry.champion(home.origin)
        version = registry.find(home.origin, name) if name else registry.predecessor(home.origin)
        if version == champion:
            raise UserError(f"{version} is the champion already")
        _, after = take(home, version.commit, f"rolled back from {champion or 'none'}", remote, [])
    return [f"rolled back: {version}, from {champion or 'none'}", *after]


def take(home: Home, commit: str, message: str, remote: str | None, promoted: list[Path]) -> tuple[Version, list[str]]:
    """Tag the commit once its model is known to be there, with the manifest of what is promoted; lines for the user."""
    with tempfile.TemporaryDirectory() as made:
        clone = clone_with(home, commit, Path(made) / "clone", promoted or [paths.CLASSIFIER])
        about_data = _data(clone)
        if promoted:
            message = f"{message}\n{Manifest.of(clone, promoted).line()}"
        kept.keep(home, workspace.shared_cache(home), clone, PROMOTED)
    version, tags = registry.set_champion(home.origin, commit, message)
    queue.promoted(home)
    if remote:
        git(home.origin, "push", "--quiet", remote, *(f"refs/tags/{tag}" for tag in tags))
        return version, [about_data, f"pushed to {remote}: {' '.join(tags)}"]
    known = git(home.origin, "remote").splitlines()
    pushing = f"the tags are only here: git push {known[0]} {' '.join(f'{tag!r}' for tag in tags)}" if known else ""
    return version, [line for line in (about_data, pushing) if line]


def _data(clone: Path) -> str:
    """UserError while DVC's default remote lacks the model, which others could then not fetch."""
    name = workspace.default_remote(clone)
    if not name:
        return "the model lies in this machine's cache only: DVC has no default remote"
    try:
        with chdir(clone), Repo(str(clone)) as repo:  # DVC looks for a target where one stands first
            missing = repo.status(targets=[str(clone / paths.CLASSIFIER)], cloud=True)
    except Exception:  # whatever a store's library raises
        if why := dvc_remote.fault(clone):
            raise UserError(f"whether the model is at DVC's remote cannot be told: {why}") from None
        raise
    if missing:
        raise UserError(f"{paths.CLASSIFIER} is not at the DVC remote {name!r} yet: run `dvc push`, then this again")
    return ""


def alone(home: Home) -> AbstractContextManager[None]:
    """While the champion is changed. UserError: somebody else is at it."""
    return holding(home.make() / "locks" / "promotion.lock", "driftline promote", "refuse")
