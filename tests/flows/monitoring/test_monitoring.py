"""A champion watched over a spring: a quiet month, an alarm, a refit that is promoted, labels that come back."""

from __future__ import annotations

import contextvars
import csv
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from prefect.blocks.notifications import CustomWebhookNotificationBlock

from flows.approval import approval
from flows.champion import proposal, registry
from flows.champion.training_window import newest_training
from flows.cli.watching import label
from flows.machine.git import git
from flows.machine.home import Home
from flows.monitoring import watch
from flows.monitoring.flow import monitoring
from flows.monitoring.labelling import store
from flows.parameters import Policy, Publish, Window
from flows.runs.metrics import DriftVerdict
from flows.runs.record import find, read_record, records
from flows.runs.verify import rebuild
from flows.scheduled_training import scheduled_training
from flows.windows.policy import Decision
from flows.windows.ranges import as_text
from tasks.core.errors import UserError
from tests.support import tiny_pipeline
from tests.support.prefect_api import post
from tests.support.processes import IDENTITY

pytestmark = [pytest.mark.long, pytest.mark.in_order, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def home(tmp_path_factory, api):
    """The home of the watched repository, whose first model is the champion."""
    folder = tmp_path_factory.mktemp("watched") / "repository"
    folder.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in tiny_pipeline.environment(IDENTITY).items():
            patch.setenv(name, value)
        patch.setenv("DRIFTLINE_HOME", str(tmp_path_factory.mktemp("home")))
        patch.delenv("PYTHONPATH", raising=False)
        tiny_pipeline.make_spring(folder)
        yield Home.of(folder)


@pytest.fixture(scope="module")
def told(api):
    """What a webhook was told, and the block that tells it."""
    heard = []

    class Hear(BaseHTTPRequestHandler):
        def do_POST(self):
            heard.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    hook = HTTPServer(("127.0.0.1", 0), Hear)
    threading.Thread(target=hook.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{hook.server_address[1]}/"
    block = CustomWebhookNotificationBlock(
        name="team", url=url, json_data={"subject": "{{subject}}", "body": "{{body}}"}
    )
    block.save("team", overwrite=True)
    yield heard
    hook.shutdown()


TEAM, PROMOTES = Publish(notify="custom-webhook/team"), Policy(refit_on="alarm", action="promote")
MARCH, JUNE = Window(since="2026-03-01", until="2026-04-01"), Window(since="2026-06-01", until="2026-07-01")


def look(home, **asked):
    state = monitoring(repository=str(home.origin), return_state=True, **asked)
    run = watch.last(home)
    return state, run.watched


def outcomes(home):
    """What the newest window's run did with each stage."""
    return {stage.stage: stage.outcome for stage in watch.last(home).stages}


def events(api):
    asked = {"filter": {"event": {"name": ["driftline.drift.detected"]}}}
    return post(api, "events/filter", **asked)["events"]


def test_without_a_champion_there_is_nothing_to_watch(home):
    with pytest.raises(UserError, match="no champion to watch yet"):
        watch.plan(home, None, None, None)
    proposal.propose(home, "HEAD", True, False, None, None)
    with pytest.raises(UserError, match="trained on rows until 2026-02-01"):
        watch.plan(home, "2026-01-20", "2026-02-20", None)
    with pytest.raises(UserError, match="go together"):
        watch.plan(home, "2026-02-20", None, None)


def test_a_quiet_month_runs_the_current_branch_only_and_changes_nothing(home, told):
    before = git(home.origin, "status", "--porcelain"), git(home.origin, "rev-parse", "HEAD")
    state, said = look(home, policy=PROMOTES, publish=TEAM)
    assert state.is_completed(), state.message
    assert (git(home.origin, "status", "--porcelain"), git(home.origin, "rev-parse", "HEAD")) == before
    assert str(said.window) == "2026-02-01 to 2026-03-01"
    stages = outcomes(home)
    assert set(stages) == {"ingest@current", "validate@current", "score@current", "drift"}
    assert set(stages.values()) == {"unchanged"}  # the champion's own window: its commit has it
    assert said.decision == Decision(refit=False, reasons=["the window is as before: no alarm"])
    assert (said.verdict.word, said.measured.over, said.to_label) == ("as before", "all rows", None)
    assert told == []


def test_an_alarm_is_told_once_and_a_dry_run_only_says_what_it_would_do(home, told, api):
    state, said = look(home, policy=Policy(refit_on="alarm"), publish=TEAM, to_label=40)
    assert state.is_completed(), state.message
    assert str(said.window) == "2026-03-01 to 2026-04-01"
    assert said.decision == Decision(refit=True, reasons=["the window is harmful: an alarm"])
    assert said.tried_at is None
    (february,) = said.verdict.runs  # which the same champion was watched on
    assert "-20260201-20260301-" in february
    assert (said.verdict.changed, said.verdict.harm.holds, said.verdict.unusual.by) == (True, True, None)
    assert "cannot be told with 1 past window: 5 are needed" in state.message
    assert outcomes(home) == {
        "ingest@current": "ran",
        "validate@current": "ran",
        "score@current": "ran",
        "drift": "ran",
    }
    assert registry.champion(home.origin).name == "v0.0.1"
    assert len(told) == 1
    assert told[0]["subject"].endswith("2026-03-01 to 2026-04-01: harmful")
    deadline = time.monotonic() + 30
    while not events(api) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert events(api)[0]["payload"]["alarms"] == ["confidence"]


def test_labels_come_back_by_id_and_measure_the_accuracy(home, told):
    said = watch.last(home).watched
    file = home.folder / "to_label" / "2026-03-01_2026-04-01" / "to_label.csv"
    assert said.to_label == str(file)
    lines = list(csv.DictReader(file.open()))
    assert len(lines) == 40
    random = [line for line in lines if line["chosen"] == "random"]
    truth = {"bitcoin": "spam", "invoice": "ham", "money": "spam", "prize": "spam", "meeting": "ham", "patch": "ham"}
    with file.open("w", newline="") as out:
        writer = csv.DictWriter(out, lines[0].keys())
        writer.writeheader()
        writer.writerows({**line, "label": truth[line["text"]]} for line in lines)
    store(home, file)
    said = look(home, window=MARCH, publish=TEAM)[1]
    assert len(told) == 1  # the same incident
    found = said.measured
    right = sum(line["text"] not in ("bitcoin",) for line in random)
    assert (found.rows, found.accuracy) == (20, right / 20)
    assert found.over == "the random half of to_label.csv"
    assert said.facts.accuracy_is == "measured"


def artifact(api, key):
    """The newest of that key."""
    asked = {"artifacts": {"key": {"any_": [key]}}, "sort": "CREATED_DESC", "limit": 1}
    return post(api, "artifacts/filter", **asked)[0]["data"].strip()


def test_a_refit_moves_the_reference_forward_and_is_promoted(home, told, api):
    state, said = look(home, policy=PROMOTES, window=MARCH)
    assert state.is_completed(), state.message
    assert "promoted" in state.message
    assert as_text(said.tried_at) == "2026-04-01"
    now = registry.champion(home.origin)
    assert now.name == "v0.0.2"
    windows = watch.windows_at(home, now.commit)
    assert f"{windows.reference.until:%Y-%m-%d} {windows.current.from_:%Y-%m-%d}" == "2026-04-01 2026-04-01"
    assert "# a comment that stays" in git(home.origin, "show", f"{now.commit}:params.yaml")
    trained = find(home.origin, now.commit)
    assert read_record(home.origin, trained).because == watch.last(home).name
    table = json.loads(artifact(api, "metrics"))
    assert list(table[0]) == ["", "this run", "champion, v0.0.1"]
    assert (
        "not on the same rows: " in table[-1]["champion, v0.0.1"]
    )  # rows of March, which the champion of January never answered
    verdict = rebuild(home, trained)
    assert verdict.same, str(verdict)

    heard = len(told)
    state, said = look(home, policy=PROMOTES, publish=TEAM)
    assert said.champion.name == "v0.0.2"
    assert str(said.window) == "2026-04-01 to 2026-05-01"
    assert (said.verdict.word, said.verdict.runs, said.decision.refit) == ("as before", (), False)
    assert [one["subject"].partition(": ")[2] for one in told[heard:]] == [
        "2026-04-01 to 2026-05-01: as before again"
    ]  # fmt: skip
    state, _ = look(home, window=Window(days=20000))
    assert (state.name, "still open" in state.message) == ("Skipped", True)


def test_a_run_is_called_after_its_window_and_says_drift_in_the_list(home, told, api):
    found = {run["name"]: run for run in post(api, "flow_runs/filter", **{"flows": {"name": {"any_": ["monitoring"]}}})}
    march = [run for name, run in found.items() if f"monitoring-{home.name}-20260301-20260401-" in name]
    assert {run["state_name"] for run in march} == {"Harmful"} and all(
        {"alarm", "harmful"} <= set(run["tags"]) for run in march
    )
    (quiet,) = [run for name, run in found.items() if f"monitoring-{home.name}-20260201-20260301-" in name]
    assert (quiet["state_name"], "alarm" in quiet["tags"]) == ("As before", False)
    assert "more windows have closed, the next is" in quiet["state"]["message"]
    assert {read_record(home.origin, one).name for one in records(home.origin)} >= {run["name"] for run in march}


def test_a_scheduled_training_learns_from_no_less_than_the_champion(home, told):
    """``params.yaml`` still says February, where the refit learnt from March too."""
    state = scheduled_training(repository=str(home.origin), return_state=True)
    assert state.is_completed(), state.message
    made = records(home.origin)[0]
    assert as_text(watch.windows_at(home, made.commit).reference.until) == "2026-04-01"
    assert newest_training(home) == made


def test_a_model_that_has_seen_less_than_the_champion_needs_force(home, told):
    found = proposal.propose(home, "HEAD", True, False, "not_worse", None)
    assert found.promoted is None
    assert "it was trained on rows until 2026-02-01, the champion v0.0.2" in found.words
    assert "--force" in found.words
    first = registry.find(home.origin, "v0.0.1").commit
    state = approval(repository=str(home.origin), run=first, rule="not_worse", return_state=True)
    assert state.name == "NotPromoted"
    assert "--force" in state.message


def test_labels_of_a_window_that_the_champion_has_learnt_from_are_kept(home, told, capsys):
    before = records(home.origin)[0]
    label(home.folder / "to_label" / "2026-03-01_2026-04-01" / "to_label.csv", home=home)
    assert "the labels of 2026-03-01 to 2026-04-01 are kept for the next training" in capsys.readouterr().out
    assert records(home.origin)[0] == before


def test_a_window_without_rows_is_no_failure_told_once_and_watched_when_rows_have_come(home, told):
    heard = len(told)
    for _ in range(2):
        state, said = look(home, window=JUNE, publish=TEAM)
        assert (state.name, state.is_completed()) == ("No rows", True), state.message
        assert state.message.startswith("2026-06-01 to 2026-07-01: no rows")
    assert (said.no_rows, said.rows, said.verdict.word, said.to_label) == (True, 0, "cannot be told", None)
    assert said.decision.refit is False
    newest = records(home.origin)[0]
    assert DriftVerdict.at(home.origin, newest.commit) is None  # the champion's own is no verdict on June
    assert ", the window has no rows" in read_record(home.origin, newest).in_words()
    assert [one["subject"].partition(": ")[2] for one in told[heard:]] == ["2026-06-01 to 2026-07-01: no rows"]
    assert rebuild(home, newest).same
    assert watch.without_rows(home) == [said.window]

    with (home.origin / "rows.csv").open("a") as file:
        file.writelines(f"late-{number},meeting,ham,2026-06-{number:02}\n" for number in range(1, 21))
    git(home.origin, "commit", "-qam", "late rows")
    state, july = look(home, window=Window(since="2026-07-01", until="2026-08-01"), publish=TEAM)
    assert (state.name, july.arrived) == ("No rows", (said.window,))
    state, june = look(home, publish=TEAM)
    assert (state.is_completed(), june.window, june.rows, june.arrived) == (True, said.window, 20, ())
    assert watch.without_rows(home) == [july.window]
    assert str(watch.plan(home, None, None, None).window) == "2026-08-01 to 2026-09-01"
    subjects = [one["subject"].partition(": ")[2] for one in told[heard + 1 :]]
    assert subjects == ["rows arrive again: 2026-06-01 to 2026-07-01"]


def test_every_window_of_a_range_is_watched_once_one_after_another(home, told, api):
    asked = Window(since="2026-04-01", until="2026-05-01", days=10, each=True)
    before = len(records(home.origin))
    state = monitoring(repository=str(home.origin), window=asked, return_state=True)
    assert (state.name, state.is_completed()) == ("Caught up", True), state.message
    made = [read_record(home.origin, one) for one in records(home.origin)[: len(records(home.origin)) - before]]
    days = ["2026-04-01 to 2026-04-11", "2026-04-11 to 2026-04-21", "2026-04-21 to 2026-05-01"]
    assert [str(one.watched.window) for one in reversed(made)] == days
    assert made[-1].name.split("-")[-3:-1] == ["20260401", "20260411"]
    assert all(day in state.message for day in days)
    again = monitoring(repository=str(home.origin), window=asked, return_state=True)
    assert again.name == "Skipped"
    longer = Window(since="2026-04-11", until="2026-06-01", days=10, each=True)  # May has no rows
    state = monitoring(repository=str(home.origin), window=longer, return_state=True)
    assert state.is_completed() and "3 of 3 windows: no rows: 2026-05-01 to 2026-05-11" in state.message


def test_a_person_approves_on_prefects_page_and_only_then_is_promoted(home, api, told):
    assert approval(repository=str(home.origin), return_state=True).name == "Nothing"
    proposal.rollback(home, "v0.0.1", None)
    for answer, name, rules in (
        ({"approve": False, "why": "not today"}, "Declined", "v0.0.1"),
        ({"approve": True}, "Completed", "v0.0.3"),
    ):
        asked = {"repository": str(home.origin), "rule": "not_worse", "publish": TEAM}
        found = []

        def ask(into=found, asked=asked):
            into.append(approval(**asked, return_state=True))

        waiting = threading.Thread(target=contextvars.copy_context().run, args=(ask,))  # the settings come along
        waiting.start()
        run = paused(api)
        assert registry.champion(home.origin).name == "v0.0.1"
        assert "a model waits for approval" in told[-1]["subject"]
        assert f"/runs/flow-run/{run}" in told[-1]["body"] and "yes: driftline approve approval-" in told[-1]["body"]
        assert approval(**asked, return_state=True).name == "Duplicate"
        post(api, f"flow_runs/{run}/resume", run_input=answer)
        waiting.join(60)
        assert (found[0].name, registry.champion(home.origin).name) == (name, rules)


def paused(api):
    """The run that waits, once there is one."""
    deadline = time.monotonic() + 60
    asked = {"flow_runs": {"state": {"type": {"any_": ["PAUSED"]}}}}
    while time.monotonic() < deadline:
        found = post(api, "flow_runs/filter", **asked)
        if found:
            return found[0]["id"]
        time.sleep(0.3)
    raise AssertionError("no run waits")
