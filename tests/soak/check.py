"""What a soak has to show when all its runs are through, and its section of bench/RESULTS.md."""

from __future__ import annotations

import os
import platform
import random
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import psutil

from flows.machine.git import git
from flows.machine.home import Home
from flows.machine.locks import is_held
from flows.runs.record import LOCK, Experiment, LockedStage, locked, read_record, records
from flows.runs.verify import rebuild
from tests.soak.runs import LIMIT_SECONDS, TERMINAL, Soak

VERIFIED = 3
AT_ONCE = 6


def seconds_to_end(run: dict[str, Any]) -> float:
    """From when it was hit to its terminal state."""
    ended = datetime.fromisoformat(run["end"]).timestamp() if run["end"] else datetime.now(UTC).timestamp()
    return max(0.0, ended - float(run["hit"]["at"]))


def reference(soak: Soak, commit: str) -> dict[str, str]:
    """The md5 of each output of one uninterrupted run of a commit, in a clone with a cache of its own."""
    folder = soak.way.folder / "reference" / commit
    folder.parent.mkdir(exist_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
    git(soak.way.folder, "clone", "-q", str(soak.way.repository), str(folder))
    git(folder, "checkout", "-q", commit)
    subprocess.run([sys.executable, "-m", "dvc", "repro", "-q"], cwd=folder, env=soak.way.environment(), check=True)
    return md5s(locked(folder / LOCK))


def md5s(stages: dict[str, LockedStage]) -> dict[str, str]:
    """Of a lock: path to md5."""
    return {path: md5 for stage in stages.values() for path, md5 in stage.outs.items()}


def of_record(soak: Soak, past: Experiment) -> dict[str, str]:
    """The md5s on record."""
    file = soak.way.folder / "record.lock"
    file.write_text(git(soak.way.repository, "show", f"{past.commit}:{LOCK}") + "\n", encoding="utf-8")
    return md5s(locked(file))


def left_over(soak: Soak) -> list[str]:
    """The command line of every process that outlived the service."""
    found = []
    for process in soak.way.all_processes():
        try:
            if process.status() != psutil.STATUS_ZOMBIE:
                found.append(" ".join(process.cmdline())[:120])
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def check(soak: Soak) -> dict[str, Any]:
    """What is asked, as figures."""
    repository, home = soak.way.repository, Home.of(soak.way.repository)
    orphans = left_over(soak)
    held = [str(lock) for lock in (home.folder / "locks").rglob("*.lock") if is_held(lock)]
    done = [past for past in records(repository) if read_record(repository, past).outcome == "completed"]
    commits = sorted({past.baseline for past in done})
    with ThreadPoolExecutor(AT_ONCE) as pool:  # they mostly wait
        known = dict(zip(commits, pool.map(lambda commit: reference(soak, commit), commits), strict=True))
    differing = [past.name for past in done if of_record(soak, past) != known[past.baseline]]
    dice = random.Random(soak.seed)
    rebuilt = [rebuild(home, past) for past in dice.sample(done, min(VERIFIED, len(done)))]
    counted = soak.counted()
    hits = [run for run in counted if run["hit"]]
    return {
        "runs": len(counted),
        "hit": {kind: sum(run["hit"]["what"] == kind for run in hits) for kind in soak.way.victims},
        "states": {name: sum(run["type"] == name for run in counted) for name in TERMINAL[:3]},
        "open": [run["name"] for run in soak.runs.values() if run["type"] not in TERMINAL],
        "longest_seconds_to_end": round(max((seconds_to_end(run) for run in hits), default=0.0), 1),
        "orphans": orphans,
        "held": held,
        "restarts": soak.way.restarts,
        "finished": len(done),
        "commits": len(known),
        "differing": differing,
        "verified": {verdict.run: verdict.same for verdict in rebuilt},
    }


def held_up(found: dict[str, Any]) -> bool:
    """Whether all of it is as it should be."""
    wrong = found["open"] or found["orphans"] or found["held"] or found["differing"]
    return not wrong and found["longest_seconds_to_end"] <= LIMIT_SECONDS and all(found["verified"].values())


def text(soak: Soak, found: dict[str, Any]) -> str:
    """The section, in Markdown."""
    killed = ", ".join(f"{kind} {count}" for kind, count in found["hit"].items())
    states = ", ".join(f"{count} {name.lower()}" for name, count in found["states"].items())
    figures = {
        "runs": f"{found['runs']}: {states}",
        "killed with -9 at a random moment": f"{sum(found['hit'].values())}: {killed}",
        "from the kill to a terminal state, longest": f"{found['longest_seconds_to_end']} s "
        f"(limit {LIMIT_SECONDS:.0f})",
        "runs in no terminal state": len(found["open"]),
        "orphaned processes, after the service ended": len(found["orphans"]),
        "locks held, or cleared by hand": len(found["held"]),
        f"starts of {soak.way.kept_up} by the service manager": found["restarts"],
        "finished runs whose md5s differ from one uninterrupted run of their commit": f"{len(found['differing'])} of "
        f"{found['finished']} ({found['commits']} commits)",
        "`verify`: same bytes": f"{sum(found['verified'].values())} of {len(found['verified'])}",
    }
    how = (
        f"`python -m tests.soak --way {soak.way.name}`, {soak.started} to {datetime.now(UTC):%Y-%m-%d %H:%M}, "
        f"{platform.machine()}, {os.cpu_count()} cores shared with others. {soak.way.words}; a schedule of one minute, "
        "a repository of three stages (12 s) that ignore a polite end. A new commit after each that was run to its end."
    )
    return "\n".join([how, "", "| | |", "|---|---|", *(f"| {what} | {value} |" for what, value in figures.items())])
