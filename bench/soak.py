"""Thirty runs unattended, a third of them hit by kill -9: ``make soak``, or ``python -m bench.soak [--minutes M]``.

A small repository is served for real (``flows.serve``: server, runner, a schedule of one minute). At random moments of
every third run the stage, the flow, the runner or the server is killed; what a service manager would do, starting the
runner again, is all that is done by hand. What happened is kept in ``--folder``, so that a soak that is stopped, or
that M minutes end, goes on where it was. When all runs are through it checks what the issue asks and writes its section
of bench/RESULTS.md. Exit code 0: all held; 1: something did not; 3: to be continued.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psutil

from bench.results import write_section
from flows.git import EMAIL, NAME, git
from flows.home import Home
from flows.locks import is_held
from flows.record import LOCK, Record, locked, records, show
from flows.verify import rebuild
from tasks.artefacts import write_json

TOP = Path(__file__).parents[1]
HEADING = "Unattended: thirty runs and kill -9"
VICTIMS = ("stage", "flow", "runner", "server")
LIMIT_SECONDS = 300.0  # until a run that was hit has to be in a terminal state
VERIFIED = 3
AT_ONCE = 6
NEVER = "0 0 1 1 *"
STAGES = """
stages:
  first:
    cmd: python soak_stage.py first.txt 3 source.txt
    deps: [source.txt, soak_stage.py]
    outs: [first.txt]
  second:
    cmd: python soak_stage.py second.txt 6 first.txt
    deps: [first.txt, soak_stage.py]
    outs: [second.txt]
  third:
    cmd: python soak_stage.py third.txt 3 second.txt
    deps: [second.txt, soak_stage.py]
    outs: [third.txt]
"""


@dataclass
class Soak:
    """The served repository, and what is known of its runs."""

    folder: Path
    port: int = 0
    seed: int = 7
    runs: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By Prefect's id: name, state, start, end, and what was killed in it when."""
    restarts: int = 0
    started: str = ""
    process: subprocess.Popen[bytes] | None = None

    @property
    def repository(self) -> Path:
        return self.folder / "repository"

    @property
    def api(self) -> str:
        return f"http://127.0.0.1:{self.port}/api"

    def environment(self) -> dict[str, str]:
        who = {
            f"GIT_{a}_{b}": NAME if b == "NAME" else EMAIL for a in ("AUTHOR", "COMMITTER") for b in ("NAME", "EMAIL")
        }
        homes = {"PREFECT_HOME": str(self.folder / "prefect"), "DRIFTLINE_HOME": str(self.folder / "home")}
        return {**os.environ, **who, **homes, "PREFECT_API_URL": self.api}

    def begin(self) -> None:
        """Make the repository, or go on with what an earlier soak left."""
        kept = self.folder / "soak.json"
        if kept.exists():
            for name, value in json.loads(kept.read_text(encoding="utf-8")).items():
                setattr(self, name, value)
            return
        self.repository.mkdir(parents=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.started = datetime.now(UTC).isoformat(timespec="seconds")
        shutil.copyfile(TOP / "bench" / "soak_stage.py", self.repository / "soak_stage.py")
        for name, text in {
            "dvc.yaml": STAGES,
            "source.txt": "0",
            "params.yaml": "seed: 7\nmodel: {name: none}\n",
        }.items():
            (self.repository / name).write_text(text)
        for command in ("git init -q", f"{sys.executable} -m dvc init -q", "git add -A", "git commit -qm soak"):
            subprocess.run(command.split(), cwd=self.repository, env=self.environment(), check=True)
        self.keep()

    def keep(self) -> None:
        """Write down what is known."""
        known = {name: getattr(self, name) for name in ("port", "seed", "runs", "restarts", "started")}
        write_json(known, self.folder / "soak.json")

    def serve(self) -> None:
        """Start the runner, as a service manager does whenever it has ended."""
        if self.process and self.process.poll() is None:
            return
        self.restarts += self.process is not None
        options = [
            "--train",
            "* * * * *",
            "--watch",
            NEVER,
            "--verify",
            NEVER,
            "--overlap",
            "skip",
            "--port",
            str(self.port),
        ]
        command = [sys.executable, "-m", "flows.serve", "--repository", str(self.repository), *options]
        with (self.folder / "serve.log").open("ab") as log:
            self.process = subprocess.Popen(command, cwd=TOP, env=self.environment(), stdout=log, stderr=log)

    def look(self) -> None:
        """Ask the server for all runs that have begun."""
        begun = {"flow_runs": {"state": {"type": {"not_any_": ["SCHEDULED"]}}}, "limit": 200}
        answer = httpx.post(f"{self.api}/flow_runs/filter", json=begun, timeout=30).raise_for_status().json()
        for run in answer:
            entry = self.runs.setdefault(run["id"], {"seen": time.time(), "hit": None})
            state = run["state"]
            entry |= {"name": run["name"], "type": state["type"], "state": state["name"]}
            entry |= {"start": run["start_time"], "end": run["end_time"]}

    def counted(self) -> list[dict[str, Any]]:
        """The runs that did something and are over: skipped ones and those cancelled unbegun are none."""
        over = ("COMPLETED", "FAILED", "CRASHED")
        return [run for run in self.runs.values() if run["type"] in over and run["state"] != "Skipped" and run["start"]]

    def next_commit(self) -> None:
        """Once the commit's run has ended well, give the next run something to do."""
        head = git(self.repository, "rev-parse", "HEAD")
        done = [past for past in records(self.repository) if past.baseline == head]
        if any(show(self.repository, past)["outcome"] == "completed" for past in done):
            (self.repository / "source.txt").write_text(head)
            subprocess.run(["git", "commit", "-qam", "more"], cwd=self.repository, env=self.environment(), check=True)


def of_folder(folder: Path) -> Iterator[psutil.Process]:
    """Every process that works in the folder or names it."""
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and (
                str(folder) in " ".join(process.cmdline()) or process.cwd().startswith(str(folder))
            ):
                yield process
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue


def victim(soak: Soak, kind: str) -> psutil.Process | None:
    """The process to kill; None while there is none."""
    assert soak.process
    if kind == "runner":
        return psutil.Process(soak.process.pid)
    if kind == "server":
        children = psutil.Process(soak.process.pid).children(recursive=True)
        return next((p for p in children if "uvicorn" in " ".join(p.cmdline()) or "server" in p.cmdline()[3:4]), None)
    stage = next((p for p in of_folder(soak.folder) if "soak_stage.py" in " ".join(p.cmdline()[1:2])), None)
    if kind == "stage" or stage is None:
        return stage
    guard = next((p for p in stage.parents() if any(word.endswith("flows/guard.py") for word in p.cmdline())), None)
    return guard.parent() if guard else None


def hit(soak: Soak, dice: random.Random) -> None:
    """Kill something of every third run, once its stage is at work and a random while has passed."""
    for number, run in enumerate(sorted(soak.runs.values(), key=lambda run: run["seen"])):
        if run["type"] != "RUNNING" or run["hit"] or number % 3 != 1:
            continue
        run.setdefault("wait", dice.uniform(2, 14))
        if time.time() - run["seen"] < run["wait"]:
            continue
        kind = VICTIMS[(number // 3) % len(VICTIMS)]
        try:
            found = victim(soak, kind)
            if found:
                found.send_signal(signal.SIGKILL)
                run["hit"] = {"what": kind, "at": time.time()}
                print(f"killed the {kind} of {run['name']}", flush=True)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue


def live(soak: Soak, wanted: int, seconds: float) -> bool:
    """Serve, kill and look until so many runs are over: whether they are, or the time came first."""
    dice, deadline = random.Random(soak.seed + len(soak.runs)), time.monotonic() + seconds
    while time.monotonic() < deadline and len(soak.counted()) < wanted:
        soak.serve()
        try:
            soak.look()
            hit(soak, dice)
            soak.next_commit()
        except httpx.HTTPError:
            pass  # the server is starting, or has just been killed
        soak.keep()
        time.sleep(1)
    return len(soak.counted()) >= wanted


def settle(soak: Soak) -> None:
    """Let what is under way end, then end the service."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while time.monotonic() < deadline:
        soak.serve()
        try:
            soak.look()
            if all(run["type"] in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED") for run in soak.runs.values()):
                break
        except httpx.HTTPError:
            pass
        time.sleep(1)
    soak.keep()
    assert soak.process
    soak.process.send_signal(signal.SIGTERM)
    soak.process.wait(60)
    time.sleep(15)  # guards give what they guard this long


def seconds_to_end(run: dict[str, Any]) -> float:
    """From when it was hit to its terminal state."""
    ended = datetime.fromisoformat(run["end"]).timestamp() if run["end"] else time.time()
    return max(0.0, ended - float(run["hit"]["at"]))


def reference(soak: Soak, commit: str) -> dict[str, str]:
    """The md5 of each output of one uninterrupted run of a commit, in a clone with a cache of its own."""
    folder = soak.folder / "reference" / commit
    folder.parent.mkdir(exist_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
    git(soak.folder, "clone", "-q", str(soak.repository), str(folder))
    git(folder, "checkout", "-q", commit)
    subprocess.run([sys.executable, "-m", "dvc", "repro", "-q"], cwd=folder, env=soak.environment(), check=True)
    return md5s(locked(folder / LOCK))


def md5s(stages: dict[str, Any]) -> dict[str, str]:
    """Of a lock: path to md5."""
    return {out["path"]: out["md5"] for stage in stages.values() for out in stage.get("outs", [])}


def of_record(soak: Soak, past: Record) -> dict[str, str]:
    """The md5s on record."""
    file = soak.folder / "record.lock"
    file.write_text(git(soak.repository, "show", f"{past.commit}:{LOCK}") + "\n", encoding="utf-8")
    return md5s(locked(file))


def check(soak: Soak) -> dict[str, Any]:
    """What the issue asks, as figures."""
    home = Home.of(soak.repository)
    orphans = [" ".join(process.cmdline())[:120] for process in of_folder(soak.folder)]
    held = [str(lock) for lock in (home.folder / "locks").rglob("*.lock") if is_held(lock)]
    done = [past for past in records(soak.repository) if show(soak.repository, past)["outcome"] == "completed"]
    commits = sorted({past.baseline for past in done})
    with ThreadPoolExecutor(AT_ONCE) as pool:  # they mostly wait
        known = dict(zip(commits, pool.map(lambda commit: reference(soak, commit), commits), strict=True))
    differing = [past.name for past in done if of_record(soak, past) != known[past.baseline]]
    dice = random.Random(soak.seed)
    rebuilt = [rebuild(home, past, lambda line: None) for past in dice.sample(done, min(VERIFIED, len(done)))]
    hits = [run for run in soak.counted() if run["hit"]]
    return {
        "runs": len(soak.counted()),
        "hit": {kind: sum(run["hit"]["what"] == kind for run in hits) for kind in VICTIMS},
        "states": {
            name: sum(run["type"] == name for run in soak.counted()) for name in ("COMPLETED", "FAILED", "CRASHED")
        },
        "open": [
            run["name"]
            for run in soak.runs.values()
            if run["type"] not in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
        ],
        "longest_seconds_to_end": round(max((seconds_to_end(run) for run in hits), default=0.0), 1),
        "orphans": orphans,
        "held": held,
        "restarts": soak.restarts,
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
    return "\n".join(
        [
            f"`python -m bench.soak`, {soak.started} to {datetime.now(UTC):%Y-%m-%dT%H:%M}, "
            f"{platform.machine()}, {os.cpu_count()} cores shared with others. `flows.serve` with its own server, a "
            "schedule of one minute, a repository of three stages (12 s) that ignore a polite end. A new commit after "
            "each that was run to its end.",
            "",
            "| | |",
            "|---|---|",
            f"| runs | {found['runs']}: {states} |",
            f"| killed with -9 at a random moment | {sum(found['hit'].values())}: {killed} |",
            f"| from the kill to a terminal state, longest | {found['longest_seconds_to_end']} s "
            f"(limit {LIMIT_SECONDS:.0f}) |",
            f"| runs in no terminal state | {len(found['open'])} |",
            f"| orphaned processes, after the service ended | {len(found['orphans'])} |",
            f"| locks held, or cleared by hand | {len(found['held'])} |",
            f"| starts of the runner by the service manager | {found['restarts']} |",
            "| finished runs whose md5s differ from one uninterrupted run of their commit | "
            f"{len(found['differing'])} of {found['finished']} ({found['commits']} commits) |",
            f"| `verify`: same bytes | {sum(found['verified'].values())} of {len(found['verified'])} |",
        ]
    )


def main() -> None:
    """Go on with the soak."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--folder", type=Path, default=TOP / ".soak", help="what happened, kept (default: .soak)")
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--minutes", type=float, default=60.0, help="at most; a later call goes on")
    given = parser.parse_args()
    soak = Soak(given.folder.resolve())
    soak.begin()
    os.environ |= {name: soak.environment()[name] for name in ("DRIFTLINE_HOME", "PREFECT_HOME", "PREFECT_API_URL")}
    complete = live(soak, given.runs, given.minutes * 60)
    settle(soak)
    if not complete:
        print(f"{len(soak.counted())} of {given.runs} runs are over: call it again to go on")
        sys.exit(3)
    found = check(soak)
    print(json.dumps(found, indent=2))
    write_section(HEADING, text(soak, found))
    sys.exit(0 if held_up(found) else 1)


if __name__ == "__main__":
    main()
