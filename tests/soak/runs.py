"""The small repository of a soak, and what is known of its runs, kept in a file between two calls."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flows.machine.git import git
from flows.runs.record import read_record, records
from tasks.core.files import write_json
from tests.soak.ways import TOP, Way
from tests.support.prefect_api import post

LIMIT_SECONDS = 300.0  # until a run that was hit has to be in a terminal state
TERMINAL = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
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
    """What is known of the runs of one way."""

    way: Way
    seed: int = 7
    runs: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By Prefect's id: name, state, start, end, and what was killed in it when."""
    started: str = ""

    @classmethod
    def begin(cls, folder: Path, way: type[Way]) -> Soak:
        """Make the repository, or go on with what an earlier soak left."""
        kept = folder / "soak.json"
        if kept.exists():
            known = json.loads(kept.read_text(encoding="utf-8"))
            made = way(folder, known["port"], restarts=known["restarts"])
            return cls(made, known["seed"], known["runs"], known["started"])
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            soak = cls(way(folder, free.getsockname()[1]), started=f"{datetime.now(UTC):%Y-%m-%d %H:%M}")
        make(soak.way)
        soak.keep()
        return soak

    def keep(self) -> None:
        """Write down what is known."""
        known = {name: getattr(self, name) for name in ("seed", "runs", "started")}
        write_json({**known, "port": self.way.port, "restarts": self.way.restarts}, self.way.folder / "soak.json")

    def look(self) -> None:
        """Ask the server for all runs that have begun."""
        begun = {"flow_runs": {"state": {"type": {"not_any_": ["SCHEDULED"]}}}, "limit": 200}
        answer = post(self.way.api, "flow_runs/filter", **begun)
        for run in answer:
            entry = self.runs.setdefault(run["id"], {"seen": time.time(), "hit": None})
            state = run["state"]
            entry |= {"name": run["name"], "type": state["type"], "state": state["name"]}
            entry |= {"start": run["start_time"], "end": run["end_time"]}

    def counted(self) -> list[dict[str, Any]]:
        """The runs that did something and are over: skipped ones and those cancelled unbegun are none."""
        over = TERMINAL[:3]
        return [run for run in self.runs.values() if run["type"] in over and run["state"] != "Skipped" and run["start"]]

    def next_commit(self) -> None:
        """Once the commit's run has ended well, give the next run something to do."""
        repository = self.way.repository
        head = git(repository, "rev-parse", "HEAD")
        done = [past for past in records(repository) if past.baseline == head]
        if any(read_record(repository, past).outcome == "completed" for past in done):
            (repository / "source.txt").write_text(head)
            git(repository, "commit", "-qam", "more", environment=self.way.environment())


def make(way: Way) -> None:
    """The small repository."""
    way.repository.mkdir(parents=True)
    shutil.copyfile(TOP / "tests" / "soak" / "stage.py", way.repository / "soak_stage.py")
    texts = {"dvc.yaml": STAGES, "source.txt": "0", "params.yaml": "seed: 7\nmodel: {name: none}\n"}
    for name, text in texts.items():
        (way.repository / name).write_text(text)
    for command in ("git init -q", f"{sys.executable} -m dvc init -q", "git add -A", "git commit -qm soak"):
        subprocess.run(command.split(), cwd=way.repository, env=way.environment(), check=True)
