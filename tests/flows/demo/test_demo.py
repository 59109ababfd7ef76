"""The demo: its data are dealt as it says, its place shares nothing, and its story is what the gates make of it."""

from __future__ import annotations

import csv
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from flows.champion import registry
from flows.demo import place, story
from flows.demo.play import new_folder
from flows.demo.stream import JOINS, LEARNT, LIST, TIME, WEEK, WEEKS, beginning, deal, read
from flows.machine.git import git
from flows.machine.home import Home
from flows.monitoring import watch
from tasks.behaviour import BEHAVIOUR
from tasks.core.errors import UserError
from tasks.core.yaml_files import parse_yaml
from tasks.dataset.windows import load as load_windows
from tests.support import tiny_pipeline
from tests.support.processes import IDENTITY

TOP = Path(__file__).parents[3]


@pytest.mark.proof
def test_mails_are_dealt_once_within_the_weeks_and_only_the_lists_first_week_is_mislabelled():
    sample = read(TOP).to_pylist()
    stream, known = deal(sample), {mail["id"]: mail for mail in sample}
    assert deal(sample) == stream
    assert len({row["id"] for row in stream.rows}) == len(stream.rows)
    assert [row[TIME] for row in stream.rows] == sorted(row[TIME] for row in stream.rows)
    assert all(beginning(1) <= row[TIME] < beginning(WEEKS + 1) for row in stream.rows)
    assert all({**row, TIME: 0, "label": 0} == {**known[row["id"]], TIME: 0, "label": 0} for row in stream.rows)

    ham = [row for row in stream.rows if LIST in row["text"].lower() and known[row["id"]]["label"] == "ham"]
    weeks = [(row[TIME] - beginning(1)) // WEEK + 1 for row in ham]
    assert {week: weeks.count(week) for week in sorted(set(weeks))} == {
        JOINS: stream.mislabelled,
        JOINS + 1: stream.labelled,
    }
    wrong = {row["id"] for row in stream.rows if row["label"] != known[row["id"]]["label"]}
    assert wrong == {row["id"] for row, week in zip(ham, weeks, strict=True) if week == JOINS}


def test_the_demos_windows_are_its_weeks():
    windows = load_windows(place.PARAMS)
    assert windows.reference.until == windows.current.from_ == beginning(LEARNT + 1)
    assert windows.current.until == beginning(LEARNT + 1) + timedelta(days=7)


def test_its_parameters_have_every_section_that_a_stage_asks_dvc_for():
    stages = parse_yaml((TOP / "dvc.yaml").read_text(encoding="utf-8"), Path("dvc.yaml"))["stages"].values()
    asked = {one.partition(".")[0] for stage in stages for one in stage.get("do", stage).get("params", ())}
    given = parse_yaml(place.PARAMS.read_text(encoding="utf-8"), place.PARAMS)
    assert not {one for one in asked if "$" not in one} - given.keys()


@pytest.mark.proof
def test_its_repository_has_no_remote_no_tags_and_nothing_of_the_teams_but_the_code(tmp_path, monkeypatch):
    for name, value in IDENTITY.items():
        monkeypatch.setenv(name, value)
    team = tmp_path / "team"
    git(tmp_path, "clone", "--quiet", str(TOP), str(team))
    (team / "landing.yaml").write_text("x: {source: /nowhere/*.csv}\n")
    (team / "data" / "mine.csv.dvc").write_text("outs: [{md5: '00', path: mine.csv}]\n")
    (team / ".dvc" / "config").write_text("[core]\n    remote = far\n['remote \"far\"']\n    url = s3://team/data\n")
    git(team, "add", "--all", "--force")
    git(team, "commit", "--quiet", "-m", "the team's")
    git(team, "tag", "classifier@v0.0.9")
    before = git(team, "status", "--porcelain"), git(team, "for-each-ref")

    folder = tmp_path / "demo"
    stream = place.make(team, folder, place.PARAMS.read_text())
    assert (git(team, "status", "--porcelain"), git(team, "for-each-ref")) == before
    assert (git(folder, "remote"), git(folder, "tag"), git(folder, "status", "--porcelain")) == ("", "", "")
    assert registry.champion(folder) is None
    tracked = git(folder, "ls-files").splitlines()
    assert not {"landing.yaml", "data/mine.csv.dvc", "dvc.lock", "metrics/evaluate.json"}.intersection(tracked)
    assert "far" not in (folder / ".dvc" / "config").read_text()
    assert (folder / BEHAVIOUR).read_text() == "tests: []\n"
    assert str(place.DATA) in tracked
    assert len(stream.rows) > 3000


def test_a_folder_with_something_in_it_and_a_repository_without_the_mails_are_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="is not empty"):
        new_folder(tmp_path)
    assert new_folder(tmp_path / "new" / "one").is_dir()
    with pytest.raises(UserError, match="the demo replays the mails"):
        read(tmp_path)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_quiet_month_an_alarm_over_wrong_labels_a_promotion_and_its_rollback(api, tmp_path, monkeypatch, caplog):
    for name, value in tiny_pipeline.environment(IDENTITY).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("DRIFTLINE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("PYTHONPATH", raising=False)
    folder = tmp_path / "repository"
    folder.mkdir()
    tiny_pipeline.make_spring(folder)
    mislabel(folder)
    home = Home.of(folder)
    monkeypatch.setattr(story, "COOLDOWN_DAYS", 45.0)  # these weeks are months
    played = story.Story(home, weeks=(8, 9, 10), stages=["evaluate", "drift"])
    played.play()
    said = [one.getMessage() for one in caplog.records if one.name == story.log.name]

    weeks = [line.splitlines()[0].split(",")[0] for line in said if line.startswith(("quiet", "ALARM"))]
    assert weeks == ["quiet: as before", "ALARM: harmful", "ALARM: harmful"]  # of April only the labels tell
    assert [event.version.name for event in registry.history(folder) if event.what == "assignment"] == [
        "v0.0.1",
        "v0.0.2",
        "v0.0.1",
    ]
    asked = next(line for line in said if line.startswith("a person asks"))
    assert asked.splitlines()[0].endswith("yes")
    assert any(line.startswith("rolled back: v0.0.1") for line in said)
    assert played.newest == home.clones / watch.last(home).name


def mislabel(folder):
    """Every row has a label; in March, invoices are filed as spam, in April as what they are."""
    with (folder / "rows.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        row["label"] = "ham" if row["text"] in ("meeting", "patch", "invoice") else "spam"
        if row["text"] == "bitcoin":
            row["text"], row["label"] = "invoice", "ham"
        if row["text"] == "invoice" and row["day"].startswith("2026-03"):
            row["label"] = "spam"
    with (folder / "rows.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    subprocess.run([sys.executable, "-m", "dvc", "repro", "-q"], cwd=folder, check=True)
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "mislabelled")
