"""What Prefect and a clone cost beside plain ``dvc repro``: ``python -m bench.flows.overhead [--folder F]``.

Runs the whole pipeline once in a clone of this repository with one mail in twelve (minutes), then measures in that
clone: nothing changed, and one stage whose code changed but not what it makes. Writes its section of bench/RESULTS.md.
"""

from __future__ import annotations

import argparse
import os
import platform
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq

from bench.results import write_section
from flows.machine.git import git, identity
from flows.machine.server import server
from flows.pipeline.graph import Dag

TOP = Path(__file__).parents[2]
SAMPLE = Path("data/samples/spamassassin.parquet")
STAGE, TOUCHED = "split", "tasks/split/assignment.py"
EVERY = 12
HEADING = "What a flow costs beside plain dvc repro"


def run(folder: Path, *command: str, **environment: str) -> float:
    """Seconds that a command takes; a failure ends the measurement."""
    start = time.monotonic()
    subprocess.run(command, cwd=folder, env={**os.environ, **environment}, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - start


def prepare(folder: Path) -> None:
    """A clone in which the pipeline has run."""
    git(TOP, "clone", "--quiet", str(TOP), str(folder))
    rows = pq.read_table(folder / SAMPLE)
    pq.write_table(rows.take(list(range(0, len(rows), EVERY))), folder / SAMPLE)
    run(folder, sys.executable, "-m", "dvc", "repro", "--quiet")


def commit(folder: Path) -> None:
    """Keep what is there: deployed runs start from a commit."""
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", "measured", environment=identity(folder))


def touch(folder: Path) -> None:
    """Change the code of the stage, but not what it makes."""
    with (folder / TOUCHED).open("a", encoding="utf-8") as file:
        file.write(f"# {time.time_ns()}\n")
    commit(folder)


def measure(folder: Path, repeat: int, api: str) -> dict[str, list[float]]:
    """Seconds by what was done, each ``repeat`` times, in turn."""
    python, dvc = sys.executable, (sys.executable, "-m", "dvc", "repro")
    hand = (python, "-m", "flows.training")
    train = f"from flows import scheduled_training; scheduled_training.scheduled_training({str(folder)!r})"
    deployed = (python, "-c", train)

    def changed(command: tuple[str, ...], **environment: str) -> float:
        touch(folder)
        return run(folder, *command, **environment)

    acts: dict[str, Callable[[], float]] = {
        "nothing changed: `dvc repro`": lambda: run(folder, *dvc),
        "nothing changed: `python -m flows.training`": lambda: run(folder, *hand, PREFECT_API_URL=api),
        "nothing changed: deployed run, clone and record": lambda: run(folder, *deployed, PREFECT_API_URL=api),
        f"`python -m tasks.{STAGE}` alone": lambda: run(folder, python, "-m", f"tasks.{STAGE}"),
        f"{STAGE} ran: `dvc repro`": lambda: changed(dvc),
        f"{STAGE} ran: `python -m flows.training`": lambda: changed(hand, PREFECT_API_URL=api),
        f"{STAGE} ran: deployed run, clone and record": lambda: changed(deployed, PREFECT_API_URL=api),
    }
    found: dict[str, list[float]] = {name: [] for name in acts}
    commit(folder)
    run(folder, *deployed, PREFECT_API_URL=api)  # the first has no earlier record to go on from
    for _ in range(repeat):
        for name, act in acts.items():
            found[name].append(act())
            print(f"{found[name][-1]:6.1f} s  {name}", flush=True)
    return found


def text(found: dict[str, list[float]], stages: int, start_seconds: float, load: float) -> str:
    """The section, in Markdown."""
    rows = [f"| {name} | {statistics.median(v):.1f} | {min(v):.1f} to {max(v):.1f} |" for name, v in found.items()]
    how = (
        f"`python -m bench.flows.overhead`, {time.strftime('%Y-%m-%d')}, {platform.machine()}, {os.cpu_count()} cores, "
        f"load average before: {load:.1f} (shared with others where it is above the cores). Seconds of the whole "
        f"process, its imports too, against a running Prefect server, which took {start_seconds:.1f} s to start. One "
        f'mail in {EVERY}; {stages} stages. "{STAGE} ran" is a change of its code that leaves its output as it was.'
    )
    median, least = over_its_command(found, statistics.median), over_its_command(found, min)
    over = (
        f"A stage that ran costs the flow {median:.1f} s over its command by the medians, {least:.1f} s by the minima."
    )
    return "\n".join([how, "", "| | median s | range |", "|---|---:|---:|", *rows, "", over])


def over_its_command(found: dict[str, list[float]], of: Callable[[list[float]], float]) -> float:
    """Seconds by which a flow with one stage to run is longer than an unchanged one and the stage's command."""
    ran, unchanged = (of(found[f"{what}: `python -m flows.training`"]) for what in (f"{STAGE} ran", "nothing changed"))
    return ran - unchanged - of(found[f"`python -m tasks.{STAGE}` alone"])


def main() -> None:
    """Prepare, measure, write."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.flows.overhead", description=(__doc__ or "").split("\n\n")[0]
    )
    parser.add_argument("--folder", type=Path, help="a clone that is prepared already")
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as made, socket.socket() as free:
        os.environ |= {"PREFECT_HOME": f"{made}/prefect", "DRIFTLINE_HOME": f"{made}/home"}
        folder = options.folder or Path(made) / "repository"
        if not options.folder:
            prepare(folder)
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        api, load, start = f"http://127.0.0.1:{port}/api", os.getloadavg()[0], time.monotonic()
        with server(api):
            took = time.monotonic() - start
            write_section(
                HEADING, text(measure(folder, options.repeat, api), len(Dag(str(folder)).order()), took, load)
            )


if __name__ == "__main__":
    main()
