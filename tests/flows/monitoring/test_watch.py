"""Which records of windows count for the next one."""

from __future__ import annotations

import json

from flows.machine.home import Home
from flows.monitoring import watch
from flows.parameters import Policy
from flows.runs import record
from flows.runs.run_record import Version, Watched
from flows.windows.history import PastWindows
from flows.windows.policy import Decision, Facts
from flows.windows.ranges import TimeRange, as_utc

CHAMPION, OTHER = Version(name="v1", commit="a" * 40), Version(name="v0", commit="b" * 40)


def window(day):
    return TimeRange(as_utc(f"2026-01-{day:02}"), as_utc(f"2026-01-{day + 1:02}"))


def watched(day, champion):
    facts = Facts(as_utc("2026-01-02"), None, None, False, None, None, None, 0)
    return Watched(
        champion=champion,
        window=window(day),
        seen_until=window(day).until,
        rows=1,
        drifted=False,
        measured=None,
        past=PastWindows(windows=0, changed_as_much={}),
        to_label=None,
        policy=Policy(),
        facts=facts,
        decision=Decision(False, ["none"]),
        tried_at=None,
    )


def test_windows_of_the_same_champion_count_once_and_this_one_does_not(repository, monkeypatch):
    days = iter(range(1, 10))

    def save(name, day, effect, outcome="completed", champion=CHAMPION):
        monkeypatch.setenv("GIT_COMMITTER_DATE", f"2026-03-{next(days):02}T00:00:00+00:00")
        (repository / "metrics").mkdir(exist_ok=True)
        drift = {"drifted": False, "reason": "", "signals": {"words": {"effect": effect}}}
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
    effects = watch.past_effects(home, watch.Plan(CHAMPION, window(4), None))
    assert effects == [{"words": 0.5}, {"words": 0.1}]
    assert watch.last(home).name == "this"
    assert watch.last(home).watched == watched(4, CHAMPION)


def test_a_retry_has_the_window_of_its_last_try(repository):
    info = record.RunInfo("one", "monitoring", repository, record.now(), flow_run="the-run")
    record.save(repository, record.describe(repository, info, "completed", (), watched(1, CHAMPION)))
    assert watch.last(Home.of(repository)).watched == watched(1, CHAMPION)
    assert watch.last(Home.of(repository), but="another-run").watched == watched(1, CHAMPION)
    assert watch.last(Home.of(repository), but="the-run") is None
