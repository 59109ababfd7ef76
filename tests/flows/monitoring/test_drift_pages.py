"""Evidently's workspace: every window once, its figures as curves, and made anew from what the stage wrote."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pyarrow as pa
import pytest

from flows.machine.home import Home
from flows.monitoring.drift_pages import CURVES, Pages, rebuild
from flows.runs import record
from flows.windows.ranges import as_utc
from tasks.drift import Params
from tasks.drift.page import write_page
from tasks.drift.rows import Rows, rows_from_table
from tasks.drift.verdict import drift_verdict

ATTACK = "</script><script>alert(1)</script>"


def window(folder, seed, labels=("ham", "spam"), labelled=True):
    """What the stage leaves of one window: page and snapshot."""
    rng = np.random.default_rng(seed)

    def rows(start):
        label = rng.choice(np.array(labels, dtype=object), 60)
        columns = {"prediction": label, "confidence": rng.random(60)} | ({"label": label} if labelled else {})
        when = np.datetime64(start, "us") + np.arange(60) * np.timedelta64(1, "h")
        return rows_from_table(pa.table(columns | {"timestamp": when}), None, None, "here")

    reference, current = rows("2026-01-01"), rows(f"2026-02-{seed:02}")
    params = Params(permutations=99)
    snapshot = folder / f"{seed}.json"
    write_page(
        drift_verdict(reference, current, params, 7), reference, current, params, 7, folder / "drift.html", snapshot
    )
    return snapshot


@pytest.mark.slow
def test_every_window_is_added_once_and_its_figures_are_drawn_over_time(tmp_path):
    from evidently.ui.workspace import Workspace

    pages = Pages(tmp_path / "evidently")
    snapshots = [window(tmp_path, 1, labelled=False), window(tmp_path, 8, labels=(ATTACK, "spam"))]
    added = [pages.add(snapshot, f"run-{i}", "2026-03-01T00:00:00") for i, snapshot in enumerate(snapshots)]
    assert added == [True, True]
    assert not pages.add(snapshots[0], "again", "2026-03-01T00:00:00")
    assert [run["run"] for run in pages.runs().values()] == ["run-0", "run-1"]
    workspace = Workspace.create(str(pages.folder))
    (project,) = workspace.list_projects()
    runs = [workspace.get_run(project.id, run) for run in workspace.list_runs(project.id)]
    assert sorted(str(run.timestamp)[:10] for run in runs) == ["2026-02-03", "2026-02-10"]
    panels = {panel.title: panel.values for panel in project.dashboard.model().panels}
    assert list(panels) == list(CURVES)
    drawn = {value.metric_labels["column"] for values in panels.values() for value in values}
    assert {"drifted", "change: confidence", "change: labels", "accuracy of labelled rows"} <= drawn
    assert "<script>" not in snapshots[1].read_text()


@pytest.mark.slow
def test_the_workspace_is_made_anew_from_the_records_and_says_what_is_lost(repository, tmp_path_factory, monkeypatch):
    monkeypatch.setenv("DRIFTLINE_HOME", str(tmp_path_factory.mktemp("home")))
    home, made = Home.of(repository), tmp_path_factory.mktemp("made")
    for day, keeps in ((1, True), (8, False), (15, True)):
        snapshot = window(made, day)
        md5 = hashlib.md5(snapshot.read_bytes(), usedforsecurity=False).hexdigest()
        if keeps:
            cached = repository / ".dvc/cache/files/md5" / md5[:2] / md5[2:]
            cached.parent.mkdir(parents=True)
            cached.write_bytes(snapshot.read_bytes())
        outs = [{"path": "reports/drift_snapshot.json", "md5": md5}]
        (repository / "dvc.lock").write_text(json.dumps({"schema": "2.0", "stages": {"drift": {"outs": outs}}}))
        monkeypatch.setenv("GIT_COMMITTER_DATE", f"2026-03-{day:02}T00:00:00+00:00")
        info = record.RunInfo(f"run-{day}", "monitoring", repository, as_utc(f"2026-03-{day:02}"))
        record.save(repository, record.describe(repository, info, "completed"))
    pages = Pages.of(home)
    pages.folder.mkdir(parents=True)
    (pages.folder / "of a broken workspace").touch()
    assert rebuild(home, pages) == (2, 1)
    assert [run["run"] for run in pages.runs().values()] == ["run-1", "run-15"]
    assert not (pages.folder / "of a broken workspace").exists()


def test_a_window_without_a_verdict_has_nothing_to_add(tmp_path):
    params, place = Params(permutations=99), tmp_path / "none.json"
    nothing = drift_verdict(Rows(0), Rows(0), params, 7)
    write_page(nothing, Rows(0), Rows(0), params, 7, tmp_path / "drift.html", place)
    assert json.loads(place.read_text()) == {}
    pages = Pages(tmp_path / "evidently")
    assert not pages.add(place, "run", "2026-03-01T00:00:00") and not pages.add(tmp_path / "absent", "run", "")
    assert pages.runs() == {} and not pages.folder.exists()
