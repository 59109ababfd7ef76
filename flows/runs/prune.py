"""What is kept, and for how long: ``driftline prune``, and the deployment of that name in prefect.yaml.

A clone holds nothing that its record does not: the record lies in the deployed repository, the data in the shared
cache. The newest stay for a look at their reports, and so does every clone whose run has left no record. A checkpoint
is what an interrupted training left for the next; a rebuild trains anew, so no record needs one.
Records, Prefect's runs and the cache's objects stay until the policy says otherwise; what a version, the window watched
last or the next run needs stays whatever it says.
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.sorting import FlowRunSort

from flows.champion import registry
from flows.machine.git import git
from flows.machine.home import CLONES_KEPT, Home
from flows.machine.locks import holding
from flows.parameters import Keep
from flows.pipeline.disk import readable
from flows.reaper import ENDED, flow_runs
from flows.runs import kept
from flows.runs.record import LOCK, Experiment, forget, read_record, records
from flows.runs.workspace import shared_cache
from flows.windows.verdict import MAX_WINDOWS
from tasks.core.errors import UserError
from tasks.modelling.training import checkpoint_store

CHECKPOINTS_KEPT = 3
CHECKPOINT_DAYS = 30.0
MD5 = re.compile(r"\bmd5: ([0-9a-f]{32})(\.dir)?\b")
YOUNG_SECONDS = 86400.0
"""An object of the cache so young may be of work that nothing points to yet."""
AT_ONCE = 500


def clones(home: Home, keep: int = CLONES_KEPT) -> list[Path]:
    """Delete all recorded clones but the newest ``keep``: those deleted. The caller holds the workspace lock."""
    recorded = {record.name for record in records(home.origin)}
    there = sorted(home.clones.glob("*"), key=lambda folder: folder.stat().st_mtime, reverse=True)
    old = [folder for folder in there[keep:] if folder.name in recorded]
    for folder in old:
        shutil.rmtree(folder)
    return old


def checkpoints(home: Home, keep: int = CHECKPOINTS_KEPT, days: float = CHECKPOINT_DAYS) -> list[Path]:
    """Delete what trainings left that were interrupted more than ``days`` ago, and all but the newest ``keep``; and the
    frozen layers' passes that none used for as long.

    What a training uses now stays, whoever has started it. Gives those deleted.
    """
    passes = home.checkpoints / checkpoint_store.ACTIVATIONS
    there = [folder for folder in home.checkpoints.glob("*") if folder.is_dir() and folder != passes]
    of_trials = home.searches.glob("*/checkpoints/*")  # theirs to the passes is a link
    there += [folder for folder in of_trials if folder.is_dir() and not folder.is_symlink()]
    there.sort(key=lambda folder: (_touched(folder), folder), reverse=True)
    oldest = time.time() - days * 86400
    old = [folder for number, folder in enumerate(there) if number >= keep or _touched(folder) < oldest]
    old += [folder for folder in sorted(passes.glob("*")) if _touched(folder) < oldest]
    gone = []
    for folder in old:
        with checkpoint_store.exclusive(folder) as unused:
            if unused:
                shutil.rmtree(folder)
                gone.append(folder)
    return gone


def _touched(folder: Path) -> float:
    """When the newest of its files was written, its lock left out: asking for that changes it."""
    files = [file for file in folder.rglob("*") if file.is_file() and file != folder / checkpoint_store.LOCK]
    return max((file.stat().st_mtime for file in files), default=folder.stat().st_mtime)


def old_records(home: Home, days: float) -> list[Experiment]:
    """Forget the records of runs that ended more than ``days`` ago: those forgotten.

    Not those that a version is made of, nor the newest of each flow, well ended or not, nor those of the windows that
    the next one is compared with.
    """
    needed = {version.commit for version in registry.versions(home.origin)}
    newest: set[tuple[str, bool]] = set()
    windows, gone = 0, []
    for one in records(home.origin):
        run = read_record(home.origin, one)
        first = (run.flow, run.completed) not in newest
        newest.add((run.flow, run.completed))
        windows += run.watched is not None
        compared = run.watched is not None and windows <= MAX_WINDOWS
        if not (first or compared or one.commit in needed or _age(run.ended) <= timedelta(days=days)):
            forget(home.origin, one)
            gone.append(one)
    return gone


def _age(moment: datetime) -> timedelta:
    return datetime.now(UTC) - moment


def server_runs(client: SyncPrefectClient, home: Home, days: float) -> int:
    """Delete this checkout's runs that ended more than ``days`` ago from the server, with their logs: how many."""
    ended = flow_runs(client, home, ENDED, sort=FlowRunSort.END_TIME_DESC)
    old = [run.id for run in ended if run.end_time and _age(run.end_time) > timedelta(days=days)]
    for key in old:
        client.delete_flow_run(key)
    return len(old)


def cache(home: Home) -> tuple[int, int]:
    """Delete from DVC's cache what no commit, record, tag or working tree of this checkout names: objects and bytes.

    The caller holds the workspace lock. UserError: the cache is not this checkout's alone.
    """
    where = shared_cache(home)
    if not where.is_relative_to(home.origin):
        raise UserError(
            f"DVC's cache is {where}, which other repositories may use too: there, run `dvc gc` with --projects"
        )
    kept.restore(where)  # lists of folders too, which say what else is needed
    needed = set(kept.with_content(where, _named(home)))
    number = freed = 0
    for file in (where / kept.OBJECTS).glob("??/*"):
        about = file.stat()
        if file.parent.name + file.name in needed or time.time() - about.st_mtime < YOUNG_SECONDS:
            continue
        file.unlink()
        number, freed = number + 1, freed + about.st_size
    return number, freed


def _named(home: Home) -> Iterator[str]:
    """The md5 of every object that something names: in any commit that a reference leads to, or in a file here."""
    listed = git(home.origin, "rev-list", "--objects", "--all").splitlines()
    blobs = [line.split(" ", 1)[0] for line in listed if line.endswith((f" {LOCK}", f"/{LOCK}", ".dvc"))]
    for place in range(0, len(blobs), AT_ONCE):
        yield from _md5s(git(home.origin, "show", *blobs[place : place + AT_ONCE]))
    for folder in (home.origin, home.landing, *home.clones.glob("*")):
        for file in (*folder.rglob(LOCK), *folder.rglob("*.dvc")):
            if file.is_file():
                yield from _md5s(file.read_text(encoding="utf-8", errors="replace"))


def _md5s(text: str) -> Iterator[str]:
    yield from ("".join(filter(None, found.groups())) for found in MD5.finditer(text))


def prune(home: Home, policy: Keep, client: SyncPrefectClient | None = None) -> Iterator[str]:
    """Delete what the policy does not keep: which, in words. UserError while a run is at work.

    Without a ``client`` the runs on Prefect's server stay.
    """
    with holding(home.workspace_lock, "driftline prune", "refuse"):
        yield from _pruned(home, policy, client)


def _pruned(home: Home, policy: Keep, client: SyncPrefectClient | None) -> Iterator[str]:
    folders = clones(home, policy.clones) + checkpoints(home, policy.checkpoints, policy.checkpoint_days)
    yield from (f"deleted {folder}" for folder in folders)
    if policy.record_days is not None:
        yield from (f"forgot the record {one.name}" for one in old_records(home, policy.record_days))
    if policy.server_days is not None and client and (number := server_runs(client, home, policy.server_days)):
        yield f"deleted {number} runs from Prefect's server"
    kept.trim(home, shared_cache(home))
    if policy.cache == "needed":
        number, freed = cache(home)
        if number:
            yield f"deleted {number} objects, {readable(freed)}, from DVC's cache"
