"""Which records of windows count for the next one."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from flows.errors import FlowError
from flows.machine.home import Home
from flows.monitoring import watch
from flows.notify.notifications import describe
from flows.parameters import Policy
from flows.runs import record
from flows.runs.figures import recomputed, verdict_on
from flows.runs.metrics import DriftVerdict
from flows.runs.run_record import RunRecord, Version, Watched
from flows.windows.policy import Decision, Facts
from flows.windows.ranges import TimeRange, as_utc
from flows.windows.verdict import Figures, judge
from tasks.core.errors import UserError
from tasks.dataset.windows import WindowRange, Windows

CHAMPION, OTHER = Version(name="v1", commit="a" * 40), Version(name="v0", commit="b" * 40)


def window(day):
    return TimeRange(as_utc(f"2026-01-{day:02}"), as_utc(f"2026-01-{day + 1:02}"))


def watched(day, champion, **more):
    facts = Facts(as_utc("2026-01-02"), None, None, "as before", False, None, None, None, 0)
    return Watched(
        champion=champion,
        window=window(day),
        seen_until=window(day).until,
        rows=1,
        measured=None,
        verdict=judge(Figures(), False, window(day), [], Policy()),
        to_label=None,
        policy=Policy(),
        facts=facts,
        decision=Decision(False, ["none"]),
        tried_at=None,
        **more,
    )


def test_that_no_row_is_left_to_label_is_said():
    found = watched(1, CHAMPION)
    told = [found.model_copy(update={"facts": replace(found.facts, labelled=known)}) for known in (0, 1)]
    drift = DriftVerdict(drifted=False, reason="no signal moved")
    assert ["label: nothing" in describe(one, drift) for one in told] == [False, True]


@pytest.mark.proof
def test_windows_of_the_same_champion_count_once_and_this_one_does_not(repository, monkeypatch):
    days = iter(range(1, 10))

    def save(name, day, effect, outcome="completed", champion=CHAMPION):
        monkeypatch.setenv("GIT_COMMITTER_DATE", f"2026-03-{next(days):02}T00:00:00+00:00")
        (repository / "metrics").mkdir(exist_ok=True)
        drift = {"drifted": False, "reason": "", "distances": {"current": {"words": effect}, "past": []}}
        (repository / "metrics" / "drift.json").write_text(json.dumps(drift))
        info = record.RunInfo(name, "monitoring", repository, record.now())
        record.save(repository, record.describe(repository, info, outcome, (), watched(day, champion)))

    save("first", 1, 0.9)
    save("again", 1, 0.1)  # labels came back: the newer record of the window counts
    save("second", 2, 0.5)
    save("failed", 3, 0.9, outcome="failed: x")
    save("another", 3, 0.9, champion=OTHER)
    save("this", 4, 0.9)
    home = Home.of(repository)
    found = watch.watched_before(home, watch.Plan(CHAMPION, window(4), None))
    assert [(one.run, one.figures.distances) for one in found] == [
        ("second", {"words": 0.5}),
        ("again", {"words": 0.1}),
    ]
    assert watch.last(home).name == "this"
    assert watch.last(home).watched == watched(4, CHAMPION)


@pytest.mark.proof
def test_a_verdict_on_record_is_recomputed_from_the_records_it_names(repository, monkeypatch):
    drift = {"drifted": True, "reason": "", "distances": {"current": {"words": 0.1}, "past": []}}

    def save(day, distance):
        monkeypatch.setenv("GIT_COMMITTER_DATE", f"2026-03-{day:02}T00:00:00+00:00")
        (repository / "metrics").mkdir(exist_ok=True)
        found = {**drift, "distances": {"current": {"words": distance}, "past": []}}
        (repository / "metrics" / "drift.json").write_text(json.dumps(found))
        before = watch.watched_before(Home.of(repository), watch.Plan(CHAMPION, window(day), None))
        seen = watched(day, CHAMPION)
        seen = seen.model_copy(
            update={"verdict": verdict_on(DriftVerdict.in_folder(repository), None, window(day), before, Policy())}
        )
        info = record.RunInfo(f"day-{day}", "monitoring", repository, record.now())
        return record.save(repository, record.describe(repository, info, "completed", (), seen))

    for day in range(1, 9):
        save(day, 0.1 + day / 1000)
    one = save(9, 50.0)
    seen = record.read_record(repository, one).watched
    assert (seen.verdict.word, seen.verdict.alarm) == ("unusual", True)
    assert set(seen.verdict.runs) == {f"day-{day}" for day in range(1, 9)}
    assert recomputed(repository, one, seen) == seen.verdict
    claimed = seen.model_copy(update={"verdict": seen.verdict.model_copy(update={"word": "as before"})})
    assert recomputed(repository, one, claimed) != claimed.verdict
    record.forget(repository, record.find(repository, "day-4"))
    with pytest.raises(UserError, match="rests on day-4, whose record is gone"):
        recomputed(repository, one, seen)


def test_a_retry_has_the_window_of_its_last_try(repository):
    info = record.RunInfo("one", "monitoring", repository, record.now(), flow_run="the-run")
    record.save(repository, record.describe(repository, info, "completed", (), watched(1, CHAMPION)))
    assert watch.last(Home.of(repository)).watched == watched(1, CHAMPION)
    assert watch.last(Home.of(repository), but="another-run").watched == watched(1, CHAMPION)
    assert watch.last(Home.of(repository), but="the-run") is None


@pytest.mark.proof
def test_a_window_without_rows_is_passed_and_comes_again_once_rows_have_arrived(repository, monkeypatch):
    home, days = Home.of(repository), iter(range(1, 20))
    windows = Windows(
        reference=WindowRange(until=as_utc("2026-01-01")),
        current=WindowRange(**{"from": as_utc("2026-01-01"), "until": as_utc("2026-01-02")}),
    )
    monkeypatch.setattr(watch.registry, "champion", lambda _: CHAMPION)
    monkeypatch.setattr(watch, "windows_at", lambda *_: windows)

    def save(day, *arrived, end=None, no_rows=False):
        monkeypatch.setenv("GIT_COMMITTER_DATE", f"2026-03-{next(days):02}T00:00:00+00:00")
        found = watched(day, CHAMPION, no_rows=no_rows, arrived=tuple(map(window, arrived)))
        found = found.model_copy(update={"seen_until": window(end or day).until})
        info = record.RunInfo(f"run-{next(days)}", "monitoring", repository, record.now())
        record.save(repository, record.describe(repository, info, "completed", (), found))

    def planned():
        found = watch.plan(home, None, None, None)
        return [one.since.day for one in watch.waiting(home, found, None, as_utc("2026-01-08"))]

    save(1), save(2, no_rows=True), save(3, no_rows=True)
    assert planned() == [4, 5, 6, 7]
    assert watch.without_rows(home) == [window(3), window(2)]
    assert watch.plan(home, None, None, None).judged == watched(1, CHAMPION)
    save(4, 2)  # which has rows now
    assert planned() == [2, 5, 6, 7]
    save(2, end=4)
    assert planned() == [5, 6, 7]
    save(5, 3)
    save(3, end=5, no_rows=True)  # somebody took them back
    assert planned() == [6, 7]
    save(6, 3)
    assert planned() == [3, 7]
    assert watch.without_rows(home) == [window(3)]
    assert watch.unwatched(home, "2026-01-01", "2026-01-05", None) == [window(3)]


def test_a_record_of_the_form_before_is_read_and_one_of_a_later_form_refused(repository):
    info = record.RunInfo("one", "monitoring", repository, record.now())
    today = record.describe(repository, info, "completed", (), watched(1, CHAMPION))
    written = today.model_dump_json()
    before = (
        written.replace('"alarm":', '"rings":').replace('"alarm_on":', '"rings":').replace('"version":4', '"version":3')
    )
    assert before.count('"rings":') == 3
    assert RunRecord.read(before, "here") == RunRecord.read(written, "here") == today
    with pytest.raises(FlowError):
        RunRecord.read(written.replace('"version":4', '"version":5'), "here")
