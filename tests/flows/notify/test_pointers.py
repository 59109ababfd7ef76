"""What a notification ends with: since when, how bad, where to look, what to type; and that its link is one."""

from __future__ import annotations

import pytest

from flows.machine.git import git
from flows.notify import notifications, pointers
from flows.notify.markdown import plain
from flows.parameters import Publish
from flows.runs import record
from flows.scheduled_training import scheduled_training
from flows.windows.ranges import as_utc
from tests.flows.monitoring.test_watch import CHAMPION, watched


@pytest.fixture
def told(monkeypatch):
    heard = []
    monkeypatch.setattr(notifications, "notify", lambda block, subject, body, *more: heard.append((subject, more)))
    return heard


@pytest.mark.long
def test_a_failure_says_since_when_how_often_where_and_what_to_type(api, deployed, told):
    def run(words):
        (deployed.origin / "source.txt").write_text(words)
        git(deployed.origin, "commit", "-qam", words)
        publish = Publish(notify="hook/team")
        return scheduled_training(str(deployed.origin), publish=publish, return_state=True).state_details.flow_run_id

    run("good")
    failed = run("this will fail")
    ((subject, more),) = told
    name = subject.split()[1]
    assert subject == f"{deployed.name}: {name} failed"
    assert f"look: {api.removesuffix('/api')}/runs/flow-run/{failed}" in more
    assert f"try again: prefect flow-run retry {name}" in more
    since = next(line for line in more if line.startswith("since: "))
    assert "1 failed run since then; the last that ended well: 20" in since
    run("this will fail too")
    again = pointers.after_failure(deployed, "scheduled-training", name, failed)
    assert any("2 failed runs since then" in line for line in again)


def test_drift_says_which_window_how_bad_and_what_to_type(deployed, monkeypatch):
    seen = watched(3, CHAMPION)
    facts = seen.facts.__class__(
        **{**vars(seen.facts), "accuracy_now": 0.91, "accuracy_then": 0.97, "accuracy_is": "estimated"}
    )
    lines = pointers.after_drift(deployed, seen.model_copy(update={"facts": facts}), "monitoring-mails-1", "x" * 8)
    assert "since: 2026-01-03 to 2026-01-04" in lines
    assert "how bad: accuracy 0.910 estimated, 0.970 when trained" in lines
    assert "the reports: driftline report monitoring-mails-1" in lines
    assert any(line.endswith("--since 2026-01-03 --until 2026-01-04") for line in lines)


@pytest.mark.proof
def test_how_late_it_was_is_said_of_the_run_and_of_its_window(deployed):
    due, window = as_utc("2026-01-04T03:00"), watched(3, CHAMPION)  # which closed on the fourth

    def said(name, began):
        info = record.RunInfo(name, "monitoring", deployed.origin, as_utc(began), due=due)
        record.save_without_clone(deployed.origin, record.describe(deployed.origin, info, "completed", (), window))
        return [line for line in pointers.after_drift(deployed, window, name, "x" * 8) if line.startswith("late: ")]

    assert said("in-time", "2026-01-04T03:14") == []
    assert said("late", "2026-01-04T08:20") == ["late: started 5:20 h late, due 2026-01-04 03:00 UTC"]
    assert said("later", "2026-01-07T03:00") == [
        "late: started 3 days, 0:00 h late, due 2026-01-04 03:00 UTC", "late: the window had closed 3 days before",
    ]  # fmt: skip
    failure = pointers.after_failure(deployed, "monitoring", "late", "x" * 8)
    assert "late: started 5:20 h late, due 2026-01-04 03:00 UTC" in failure
    assert list(pointers.late(deployed, "nobody")) == []


def test_our_lines_are_links_and_those_of_data_are_not(monkeypatch):
    sent = {}

    class Block:
        def notify(self, body, subject):
            sent.update(body=body, subject=subject)

    monkeypatch.setattr(notifications, "NotificationBlock", Block)
    monkeypatch.setattr(notifications.Block, "load", lambda _: Block())
    evil = "see https://evil.example/x @channel"
    assert notifications.send("hook/team", evil, evil, "look: http://127.0.0.1:4200/runs/flow-run/1")
    assert sent == {"subject": plain(evil), "body": f"{plain(evil)}\nlook: http://127.0.0.1:4200/runs/flow-run/1"}
    assert "https://" not in sent["subject"]
