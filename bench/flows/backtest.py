"""Would a refit every week, on alarm or never have served best? ``python -m bench.flows.backtest [mails|tweets|full]``.

Drives ``driftline backtest``: over the committed mails, July to September 2002 by week (``mails``); over 12,000
health tweets by quarter (``tweets``), which are put into a clone of this repository as its source; and over the mails
in three windows by the probe and by full refits (``full``), to see whether the ranking holds. The flow keeps what is
finished, so that a run that was stopped goes on. Writes its section of bench/RESULTS.md.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bench.corpora import CACHE, health_tweets
from bench.results import write_section
from tasks.preset import apply

HERE = Path(__file__).parents[2]
WORK = CACHE / "backtest"
SOURCE = "data/samples/tweets.parquet"
SAMPLED = 12_000
HEADING = "Which policy would have served best"
COLUMNS = {"text": "text", "label": "label", "timestamp": "sent_at", "id": "id"}
# The small sample lets few refits past a gate that looks at slices, and a ranking needs refits that are promoted.
SMALL = {"finetune": {"epochs": 1, "frozen_layers": 5}, "tokenize": {"max_length": 64}, "gate": {"slices": []}}


@dataclass(frozen=True)
class Run:
    """One call of the flow."""

    what: str
    arguments: list[str]
    changes: dict[str, Any] = field(default_factory=dict)
    """Laid over params.yaml."""
    data: Callable[[Path], None] | None = None


def tweets(folder: Path) -> None:
    """Put a seeded sample of the tweets, no text twice, into a clone."""
    corpus = health_tweets()
    assert corpus.times is not None
    _, first = np.unique(np.array(corpus.texts, object), return_index=True)
    chosen = np.sort(np.random.default_rng(7).choice(np.sort(first), SAMPLED, replace=False))
    columns = {"id": [str(i) for i in chosen], "text": [corpus.texts[i] for i in chosen]}
    columns |= {"label": [corpus.labels[i] for i in chosen]}
    times = pa.array(corpus.times[chosen].astype("datetime64[us]"), pa.timestamp("us", "UTC"))
    pq.write_table(pa.table({**columns, "sent_at": times}), folder / SOURCE)


OTHER = {
    "ingest": {"source": SOURCE, "columns": COLUMNS},
    "validate": {"labels": None},
    "tokenize": {"max_length": 48},
    "gate": {"slices": []},
    "windows": {
        "reference": {"from": None, "until": "2013-01-01"},
        "current": {"from": "2013-01-01", "until": "2013-04-01"},
    },
}


def of_days(days: int) -> list[str]:
    """Options for windows of so many days, a refit of the schedule for each."""
    return [word for option in ("days", "every-days", "cooldown-days") for word in (f"--{option}", str(days))]


WEEKS = ["--since", "2002-07-22", "--until", "2002-09-30", *of_days(7)]
THIRDS = ["--since", "2002-07-22", "--until", "2002-09-23", *of_days(21), "--policy", "never", "--policy", "schedule"]
RUNS = {
    "mails": [Run("SpamAssassin mails by week", WEEKS)],
    "tweets": [Run("Health tweets by quarter", ["--until", "2015-04-01", *of_days(90)[2:]], OTHER, tweets)],
    "full": [
        Run("SpamAssassin mails in three windows, by the probe", THIRDS, SMALL),
        Run("SpamAssassin mails in three windows, by full refits", [*THIRDS, "--refit", "full"], SMALL),
    ],
}


def repository(name: str, run: Run) -> Path:
    """A clone of this repository with the run's data and parameters, committed."""
    folder = WORK / name
    shutil.rmtree(folder, ignore_errors=True)
    WORK.mkdir(parents=True, exist_ok=True)
    _call("git", "clone", "--quiet", str(HERE), str(folder))
    cache = subprocess.run(["dvc", "cache", "dir"], cwd=HERE, capture_output=True, text=True, check=True).stdout.strip()
    _call("dvc", "cache", "dir", "--local", str((HERE / cache).resolve()), folder=folder)
    if run.data:
        run.data(folder)
    preset = WORK / f"{name}.yaml"
    preset.write_text(json.dumps(run.changes), encoding="utf-8")  # JSON is YAML
    apply(preset, folder / "params.yaml")
    _call("git", "add", "--all", folder=folder)
    author = ["-c", "user.name=bench", "-c", "user.email=bench@localhost"]
    _call("git", *author, "commit", "--quiet", "--allow-empty", "--message", "backtest", folder=folder)
    return folder


def _call(*command: str, folder: Path | None = None) -> None:
    subprocess.run(command, cwd=folder, check=True)


def replayed(name: str, run: Run) -> dict[str, Any]:
    """Run the flow: what it says of the policies, and the seconds it took."""
    folder, output = repository(name, run), WORK / f"{run.what}.html"
    start = time.monotonic()
    command = [sys.executable, "-m", "driftline", "backtest", "--repository", str(folder), "--output", str(output)]
    _call(*command, *run.arguments, folder=HERE)
    said: dict[str, Any] = json.loads(output.with_suffix(".json").read_text(encoding="utf-8"))
    return {**said, "wall": time.monotonic() - start, "date": time.strftime("%Y-%m-%d"), "load": os.getloadavg()[0]}


def section() -> str:
    """All that was measured, in Markdown."""
    versions = ", ".join(f"{name} {version(name)}" for name in ("torch", "transformers", "scikit-learn", "numpy"))
    parts = [
        f"`python -m bench.flows.backtest`, which runs `driftline backtest`; {platform.machine()}, "
        f"{os.cpu_count()} cores shared with others, no GPU; {versions}. Policy, split, drift verdict and "
        f"promotion gate (*not_worse*) "
        "are the product's own. An alarm in every window means that here the alarm policy is the schedule: both "
        "streams do change all the time (the mails' mix is an artefact of their collection; outlets join and leave the "
        "tweets). Seconds spent: those of refits, a probe's of processor time, a full refit's by the clock."
    ]
    for run in (run for runs in RUNS.values() for run in runs):
        file = WORK / f"{run.what}.kept.json"
        if file.exists():
            parts += ["", *_part(run, json.loads(file.read_text(encoding="utf-8")))]
    return "\n".join(parts)


def _part(run: Run, said: dict[str, Any]) -> list[str]:
    windows = next(iter(said["windows"].values()))
    changed = f"; {json.dumps(run.changes)}" if run.changes and not run.data else ""
    return [
        f"**{run.what}**, {said['date']}: `{' '.join(run.arguments)}`{changed}. {len(windows)} windows, "
        f"{sum(one['rows'] for one in windows):,} rows. {said['how']} {said['wall']:.0f} s by the clock, load average "
        f"{said['load']:.1f}.",
        "",
        said["table"],
        *_refused(said["windows"].get("schedule", [])),
    ]


def _refused(windows: list[dict[str, Any]]) -> list[str]:
    """Why the gate refused refits of the schedule."""
    reasons = [one["refit"]["reason"] for one in windows if one["refit"] and not one["refit"]["promoted"]]
    slices = sum("significantly worse where" in reason for reason in reasons)
    if not reasons:
        return []
    return [
        "",
        f"Of the schedule's refits the gate refused {len(reasons)}, {slices} of them because a slice was worse.",
    ]


def main() -> None:
    """Replay and write."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.flows.backtest", description=(__doc__ or "").split("\n\n")[0]
    )
    parser.add_argument("runs", nargs="*", metavar="RUN", help=f"of {', '.join(RUNS)} (default: all)")
    given = parser.parse_args()
    if unknown := set(given.runs) - set(RUNS):
        parser.error(f"unknown {', '.join(sorted(unknown))}; there are {', '.join(RUNS)}")
    for name in given.runs or RUNS:
        for run in RUNS[name]:
            (WORK / f"{run.what}.kept.json").write_text(json.dumps(replayed(name, run)), encoding="utf-8")
    write_section(HEADING, section())


if __name__ == "__main__":
    main()
