"""Every window's Evidently report, and its figures over time: ``driftline drift-pages``.

::

    driftline drift-pages               opens Evidently's own pages on http://127.0.0.1:8000
    driftline drift-pages --rebuild     makes its workspace anew from the records first

The workspace lies in the deployment's folder, outside DVC's outputs and the clones. The stage ``drift`` writes a
snapshot, a flow adds it; nothing in the workspace is the only copy. The tests and alarms shown are the gate's.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import shutil
import socket
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

from flows.machine.home import Home
from flows.machine.locks import holding
from flows.machine.prefect_address import LOOPBACK
from flows.machine.protected_app import ProtectedApp
from flows.machine.server import listen
from flows.runs import record
from flows.runs.workspace import cached
from tasks.core.errors import UserError
from tasks.core.files import read_json, write_json
from tasks.drift import DRIFT_SNAPSHOT

PROJECT = "Drift, window by window"
UNDATED = "1970"
MEAN = "MeanValue"
CHANGE = "change: "
CURVES = {  # one panel each: the verdict's figures whose names begin so
    "Changed (1) or not (0)": ("drifted",),
    "Accuracy": ("estimated accuracy", "accuracy of labelled rows", "reference accuracy"),
    "Largest change in a share of rows, by signal": (CHANGE,),
}


class Added(TypedDict):
    """A snapshot that the workspace holds."""

    run: str
    figures: list[str]
    """The verdict's, by name."""


@dataclass(frozen=True)
class Pages:
    """The workspace of one deployment. ``added.json`` in it says which snapshots it holds, by their md5."""

    folder: Path

    @classmethod
    def of(cls, home: Home) -> Pages:
        return cls(home.folder / "evidently")

    @property
    def added(self) -> Path:
        return self.folder / "added.json"

    def add(self, snapshot: Path, name: str, when: str) -> bool:
        """Add what the stage ``drift`` wrote, under a run's name; whether there was something new to add.

        ``when``, an ISO time, is where it stands on the curves if its rows have no times. Importing Evidently takes
        some 10 s. The caller sees to it that only one process adds.
        """
        content = json.loads(snapshot.read_text(encoding="utf-8")) if snapshot.exists() else {}
        md5 = hashlib.md5(snapshot.read_bytes(), usedforsecurity=False).hexdigest() if content else ""
        known = self.runs()
        if not content or md5 in known:
            return False
        from evidently.core.report import Snapshot
        from evidently.ui.workspace import Workspace

        if content["timestamp"].startswith(UNDATED):
            content["timestamp"] = when
        workspace = Workspace.create(str(self.folder))
        project = next(iter(workspace.list_projects()), None) or workspace.create_project(PROJECT)
        workspace.add_run(project.id, Snapshot.load_dict(content), name=name)
        before = {figure for run in known.values() for figure in run["figures"]}
        known[md5] = {"run": name, "figures": _figures(content)}
        if not before.issuperset(known[md5]["figures"]):
            _draw(project.dashboard, sorted(before.union(known[md5]["figures"])))
        write_json(known, self.added)
        return True

    def runs(self) -> dict[str, Added]:
        """What the workspace holds: run and figures by the md5 of the snapshot."""
        return read_json(self.added) if self.added.exists() else {}


def _figures(content: dict[str, Any]) -> list[str]:
    """The names of the verdict's figures in a snapshot."""
    metrics = [result["metric_value_location"]["metric"]["params"] for result in content["metric_results"].values()]
    return [params["column"] for params in metrics if params["type"].endswith(f":{MEAN}")]


def _draw(dashboard: Any, figures: list[str]) -> None:
    """Their curves over time, in place of what was drawn before."""
    from evidently.sdk.models import PanelMetric
    from evidently.sdk.panels import line_plot_panel

    dashboard.clear_dashboard()
    for title, beginnings in CURVES.items():
        values = [
            PanelMetric(legend=name.removeprefix(CHANGE), metric=MEAN, metric_labels={"column": name})
            for name in figures
            if name.startswith(beginnings)
        ]
        dashboard.add_panel(line_plot_panel(title=title, values=values))


def rebuild(home: Home, pages: Pages) -> tuple[int, int]:
    """Make the workspace anew from the records, the oldest first: how many snapshots it holds, how many are lost."""
    shutil.rmtree(pages.folder, ignore_errors=True)
    lost = 0
    for past in reversed(record.records(home.origin)):
        if md5 := record.made(home.origin, past.commit, DRIFT_SNAPSHOT):
            if file := cached(home, md5):
                pages.add(file, past.name, record.read_record(home.origin, past).started.isoformat())
            else:
                lost += 1
    return len(pages.runs()), lost


def serve_pages(home: Home, again: bool, port: int) -> None:
    """Show them on a port of this machine until Ctrl-C, made ``again`` from the records where that is asked for."""
    pages = Pages.of(home)
    if again:
        with holding(home.workspace_lock, "driftline drift-pages", "refuse"):
            held, lost = rebuild(home, pages)
        print(
            f"{held} windows from the records" + (f"; {lost} are no longer in DVC's cache" if lost else ""), flush=True
        )
    if not pages.runs():
        raise UserError(f"{pages.folder} holds no window yet: `driftline monitor` adds one, --rebuild the recorded")
    listening = listen(LOOPBACK, port)
    if listening is None:
        raise UserError(f"another program holds {LOOPBACK}:{port}: give another --port")
    print(f"{len(pages.runs())} windows at http://{LOOPBACK}:{port}; Ctrl-C ends it", flush=True)
    with listening, suppress(KeyboardInterrupt):
        _run(pages.folder, port, listening)


def _run(workspace: Path, port: int, listening: socket.socket) -> None:
    """Evidently's server until Ctrl-C, for pages of its own alone; nobody may change the workspace through it."""
    import uvicorn
    from evidently.ui.service.app import create_app, get_config

    config = get_config(port=port, workspace=str(workspace), secret=secrets.token_urlsafe())
    uvicorn.Server(uvicorn.Config(ProtectedApp(create_app(config)))).run(sockets=[listening])
