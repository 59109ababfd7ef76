"""Thirty runs unattended, a third of them hit by kill -9: ``python -m tests.soak [--way serve]``.

A small repository is run for real on a schedule of one minute: by a Prefect server, the deployments of ``prefect.yaml``
and a worker (``--way worker``, the default), or by ``flows.serve`` (``--way serve``). At random moments of every third
run the stage, the flow, the worker or runner, or the server is killed; what a service manager would do, starting again
what has ended, is all that is done by hand. What happened is kept in ``--folder``, so that a soak that is stopped, or
that ``--minutes`` end, goes on where it was. When all runs are through it checks what is asked and writes its section
of bench/RESULTS.md. Exit code 0: all held; 1: something did not; 3: to be continued.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

import httpx
import psutil

from bench.results import write_section
from tests.soak.runs import LIMIT_SECONDS, TERMINAL, Soak
from tests.soak.ways import TOP, WAYS, Way


def victim(way: Way, kind: str) -> psutil.Process | None:
    """The process to kill; None while there is none."""
    if kind not in ("stage", "flow"):
        return way.victim(kind)
    stage = next((p for p in way.all_processes() if "soak_stage.py" in " ".join(p.cmdline()[1:2])), None)
    if kind == "stage" or stage is None:
        return stage
    guard = next(
        (p for p in stage.parents() if any(word.endswith("flows/pipeline/guard.py") for word in p.cmdline())), None
    )
    return guard.parent() if guard else None


def hit(soak: Soak, dice: random.Random) -> None:
    """Kill something of every third run, once it is at work and a random while has passed."""
    kinds = soak.way.victims
    for number, run in enumerate(sorted(soak.runs.values(), key=lambda run: run["seen"])):
        if run["type"] != "RUNNING" or run["hit"] or number % 3 != 1:
            continue
        run.setdefault("wait", dice.uniform(2, 14))
        if time.time() - run["seen"] < run["wait"]:
            continue
        kind = kinds[(number // 3) % len(kinds)]
        try:
            found = victim(soak.way, kind)
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
        soak.way.keep_up()
        with suppress(httpx.HTTPError):  # the server is starting, or has just been killed
            soak.look()
            hit(soak, dice)
            soak.next_commit()
        soak.keep()
        time.sleep(1)
    return len(soak.counted()) >= wanted


def settle(soak: Soak) -> None:
    """Let what is under way end, then end the service."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while time.monotonic() < deadline:
        soak.way.keep_up()
        try:
            soak.look()
            if all(run["type"] in TERMINAL for run in soak.runs.values()):
                break
        except httpx.HTTPError:
            pass
        time.sleep(1)
    soak.keep()
    soak.way.end()
    time.sleep(15)  # guards give what they guard this long


def main() -> None:
    """Go on with the soak."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--way", choices=WAYS, default="worker", help="who runs the flows (default: %(default)s)")
    parser.add_argument("--folder", type=Path, help="what happened, kept (default: .soak/WAY)")
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--minutes", type=float, default=60.0, help="at most; a later call goes on")
    given = parser.parse_args()
    soak = Soak.begin((given.folder or TOP / ".soak" / given.way).resolve(), WAYS[given.way])
    names = ("DRIFTLINE_HOME", "PREFECT_HOME", "PREFECT_API_URL")
    os.environ |= {name: soak.way.environment()[name] for name in names}
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        complete = live(soak, given.runs, given.minutes * 60)
        settle(soak)
    except BaseException:
        soak.way.end()
        raise
    if not complete:
        print(f"{len(soak.counted())} of {given.runs} runs are over: call it again to go on")
        sys.exit(3)
    from tests.soak.check import check, held_up, text  # flows.verify reads Prefect's settings, which are final now

    found = check(soak)
    print(json.dumps(found, indent=2))
    write_section(soak.way.heading, text(soak, found))
    sys.exit(0 if held_up(found) else 1)


if __name__ == "__main__":
    main()
