"""Whoever is to be told hears of the beginning, after a day, each week and of the end: once each, whatever fails."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from flows.machine.locks import holding
from flows.notify import incidents, notifications, outbox
from tests.support.processes import TOP, wait_for

BLOCK = "hook/team"


@pytest.fixture
def channel(monkeypatch):
    """What was told, and whether it can be told now."""
    found = SimpleNamespace(told=[], open=True, dead=set())

    def notify(block, subject, body, *more):
        if not found.open or block in found.dead:
            raise ConnectionError(block)
        found.told.append(subject)

    monkeypatch.setattr(notifications, "notify", notify)
    return found


@pytest.fixture
def clock(monkeypatch):
    found = SimpleNamespace(now=datetime(2026, 3, 1, 2, tzinfo=UTC))
    for module in (incidents, outbox):
        monkeypatch.setattr(module, "datetime", SimpleNamespace(now=lambda _: found.now))
    return found


def fail(home, name, words="failed: finetune failed; its last output:", block=BLOCK):
    incidents.failed(home, "training", name, f"{words}\n13:01 in {name}", block)


def test_what_begins_alike_is_one_incident_until_it_is_over(deployed, channel):
    fail(deployed, "run-1"), fail(deployed, "run-2"), fail(deployed, "run-2")
    assert channel.told == [f"{deployed.name}: run-1 failed"]
    fail(deployed, "run-3", "failed: split failed")
    assert channel.told[1:] == [f"{deployed.name}: run-3 failed"]
    for _ in range(2):
        incidents.over(deployed, "training", BLOCK, "training works again", "run-4 ended well")
    assert channel.told[2:] == [f"{deployed.name}: training works again"]
    fail(deployed, "run-5", "failed: split failed")
    assert len(channel.told) == 4


def test_the_first_failure_reaches_somebody_although_a_later_run_ends_well(deployed, channel):
    channel.open = False
    fail(deployed, "run-1")
    incidents.over(deployed, "training", BLOCK, "training works again", "run-2 ended well")
    assert channel.told == [] and len(outbox.waiting(deployed)) == 2
    channel.open = True
    for _ in range(2):
        outbox.flush(deployed)
    assert channel.told == [f"{deployed.name}: run-1 failed", f"{deployed.name}: training works again"]
    assert not outbox.waiting(deployed)


def test_whoever_is_named_after_the_beginning_is_told_then(deployed, channel):
    fail(deployed, "run-1", block=None)
    assert not outbox.waiting(deployed)
    fail(deployed, "run-2")
    assert channel.told == [f"{deployed.name}: run-2 failed"]


def test_a_reminder_comes_after_a_day_and_then_each_week_once(deployed, channel, clock):
    days = []
    for hour in range(24 * 17):
        fail(deployed, f"run-{hour}")
        if len(channel.told) > len(days):
            days.append(hour / 24)
        clock.now += timedelta(hours=1)
    assert days == [0, 1, 8, 15]
    assert channel.told[0] == f"{deployed.name}: run-0 failed"
    assert channel.told[1] == f"{deployed.name}: run-24 failed, and has been so since 2026-03-01 02:00 UTC"


def test_a_channel_that_is_dead_holds_up_no_other_and_is_given_up_in_the_end(deployed, channel, clock):
    channel.dead.add(BLOCK)
    outbox.tell(deployed, BLOCK, "one", "")
    outbox.tell(deployed, "mail/boss", "two", "")
    assert channel.told == ["two"]
    clock.now += outbox.KEPT + timedelta(hours=1)
    outbox.flush(deployed)
    assert not outbox.waiting(deployed)


def test_what_another_process_is_sending_is_not_sent_twice(deployed, channel):
    with holding(deployed.folder / "locks" / "outbox.lock", "another"):
        outbox.tell(deployed, BLOCK, "one", "")
        assert channel.told == []
    outbox.flush(deployed)
    assert channel.told == ["one"]


@pytest.mark.proof
def test_what_is_kept_survives_a_kill_and_is_for_its_owner_alone(deployed, channel):
    code = f"""
import os, signal
from pathlib import Path
from flows.machine.home import Home
from flows.notify import notifications, outbox
notifications.notify = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
outbox.tell(Home.of(Path({str(deployed.origin)!r})), "hook/team", "one", "two", "three")
"""
    process = subprocess.Popen([sys.executable, "-c", code], cwd=TOP)
    assert wait_for(lambda: process.poll() is not None, 120) and process.returncode == -9
    ((file, kept),) = outbox.waiting(deployed).items()
    assert (kept.subject, kept.body, kept.more) == ("one", "two", ("three",))
    assert file.parent.stat().st_mode & 0o077 == 0
    outbox.flush(deployed)
    assert channel.told == ["one"]
