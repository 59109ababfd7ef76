"""A window beside those that the same champion was watched on before."""

from __future__ import annotations

import json

from flows.machine.home import Home
from flows.runs import record
from flows.windows import history

CHAMPION = {"version": "v1", "commit": "a" * 40}


def watched(repository, name, window, effect, **said):
    """A record of a window whose signal `words` changed by so much."""
    (repository / "metrics").mkdir(exist_ok=True)
    drift = {"signals": {"words": {"effect": effect, "significant": True}}}
    (repository / "metrics" / "drift.json").write_text(json.dumps(drift))
    usual = {"flow": "monitoring", "outcome": "completed", "champion": CHAMPION, "window": window}
    record.save(repository, {"name": name, **usual, **said})


def test_windows_of_the_same_champion_count_once_and_this_one_does_not(repository, monkeypatch):
    days = iter(range(1, 10))

    def save(*given, **said):
        monkeypatch.setenv("GIT_COMMITTER_DATE", f"2026-03-{next(days):02}T00:00:00+00:00")
        watched(repository, *given, **said)

    save("first", {"since": "1", "until": "2"}, 0.9)
    save("again", {"since": "1", "until": "2"}, 0.1)  # labels came back: the newer record of the window counts
    save("second", {"since": "2", "until": "3"}, 0.5)
    save("failed", {"since": "3", "until": "4"}, 0.9, outcome="failed: x")
    save("another", {"since": "3", "until": "4"}, 0.9, champion={"version": "v0"})
    save("this", {"since": "4", "until": "5"}, 0.9)
    now = {"signals": {"words": {"effect": 0.4, "significant": True}, "new": {"effect": 0.2, "significant": False}}}
    found = history.beside(Home.of(repository), "monitoring", CHAMPION, {"since": "4", "until": "5"}, now)
    assert found == {"windows": 2, "changed_as_much": {"words": 1, "new": 0}}
    assert history.words(found, now) == "1 of 2 windows watched before under this champion changed as much in words"
    assert history.words({"windows": 0, "changed_as_much": {}}, now) is None
    assert history.words(found, {"signals": {}}) is None
