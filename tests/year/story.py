"""What happens in the year, in order; each event has a name, behind which a year that was ended goes on."""

from __future__ import annotations

import csv
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import date, timedelta
from functools import partial
from typing import Any

import psutil

from flows.windows.ranges import TimeRange
from tests.support import tiny_pipeline
from tests.year.service import Service

Event = Callable[[Service], None]
FIRST = date(2025, 9, 1)
"""The first watched day; the eight weeks before it are learnt from. The first week is there from the start."""
LEARNT, A_DAY = 56, 10
CHANGES = (20, 41)
"""Weeks from which on half of the rows are in words that no model has seen."""
NEW = ({"ham": "invoice", "spam": "bitcoin"}, {"ham": "minutes", "spam": "voucher"})
LATE_ROWS, LATE_LABELS = (9, 27), 2
"""Weeks whose last day arrives a week late; after how many weeks labels come."""
AWAY = 8
"""So many weeks at the end nothing runs; then they are caught up."""
EXTRA_NIGHTS = (3, 8, 15, 22, 29, 36, 43, 50)
OTHERS_NIGHTS = range(4, 54, 5)


def week_of(number: int) -> TimeRange:
    """The days of a watched week, half-open."""
    from flows.windows.ranges import as_utc

    start = FIRST + timedelta(7 * number)
    return TimeRange(as_utc(str(start)), as_utc(str(start + timedelta(7))))


def window(number: int) -> dict[str, Any]:
    """The parameter that names a week. By itself a run takes the next window that has closed, and all of these have."""
    return {"since": str(FIRST + timedelta(7 * number)), "until": str(FIRST + timedelta(7 * number + 7)), "days": 7}


def rows_of(day: date, labelled: bool = True) -> Iterator[dict[str, str]]:
    """Ten rows; the last of each day is unlabelled until somebody gives it its label."""
    week = (day - FIRST).days // 7
    since = [change for change in CHANGES if week >= change]
    for i in range(A_DAY):
        label = "spam" if i % 2 else "ham"
        new = since and i >= A_DAY // 2
        word = NEW[len(since) - 1][label] if new else tiny_pipeline.WORDS[label][day.toordinal() % 2]
        known = label if labelled and (week < 0 or i < A_DAY - 2) else ""
        yield {"id": f"{day}-{i}", "text": word, "label": known, "day": str(day)}


def events(weeks: int) -> Iterator[tuple[str, Event]]:
    """The year, by name."""
    yield "the repositories are made", _make
    yield "the first champion is promoted", _promote_first
    for week in range(weeks):
        yield f"week {week:02}: rows arrive", partial(_arrive, week)
        for name, at, event in INCIDENTS:
            if at == week:
                yield f"week {week:02}: {name}", partial(event, week)
        if week < weeks - AWAY:
            yield f"week {week:02}: watched", partial(_watch, week)
        elif week == weeks - 1:
            yield f"week {week:02}: {AWAY} weeks are caught up", _catch_up
        yield f"week {week:02}: a night's training", partial(_train, f"week {week:02}", "mails")
        if week in EXTRA_NIGHTS:
            yield f"week {week:02}: another night", partial(_train, f"week {week:02}, again", "mails")
        if week in OTHERS_NIGHTS:
            yield f"week {week:02}: a night of the other", partial(_train, f"week {week:02}", "other")
        if week % 4 == 3:
            yield f"week {week:02}: labels return", partial(_labels, week - LATE_LABELS)


def _make(service: Service) -> None:
    start = FIRST - timedelta(LEARNT)
    days = {"model": "words", "until": str(FIRST), "end": str(FIRST + timedelta(7))}
    for name in ("mails", "other"):
        folder = service.folder / f"{name}-0"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        learnt = (row for day in range(LEARNT + 7) for row in rows_of(start + timedelta(day)))
        tiny_pipeline.write(folder, learnt, days)
        _dvc_repro(service, name)
        service.git(name, "add", "-A")
        service.git(name, "commit", "-qm", "first")
        shutil.rmtree(away := service.folder / f"away-{name}.git", ignore_errors=True)
        service.git(name, "init", "-q", "--bare", str(away))
        service.git(name, "remote", "add", "away", str(away))
    service.up()
    for name in ("mails", "other"):
        service.deploy(name)


def _dvc_repro(service: Service, name: str) -> None:
    service.command("dvc", "repro", "-q", cwd=service.repository(name))


def _promote_first(service: Service) -> None:
    service.up()
    service.command("driftline", "promote", "--force", "--repository", str(service.repository("mails")))


def _arrive(week: int, service: Service) -> None:
    days = [FIRST + timedelta(7 * week + day) for day in range(7)]
    if week in LATE_ROWS:
        days = days[:-1]
    if week - 1 in LATE_ROWS:
        days = [days[0] - timedelta(1), *days]
    for name in ("mails", "other"):
        if name == "mails" or week in OTHERS_NIGHTS:
            file = service.repository(name) / "rows.csv"
            known = {line.split(",")[0] for line in file.read_text().splitlines()}
            with file.open("a", newline="") as opened:
                writer = csv.DictWriter(opened, ["id", "text", "label", "day"], lineterminator="\n")
                writer.writerows(row for day in days for row in rows_of(day) if row["id"] not in known)
            service.git(name, "commit", "-qam", f"week {week}", "--allow-empty")


def _watch(week: int, service: Service) -> None:
    """One window, whatever hit the run before: what a schedule does next night is done at once."""
    if week_of(week) in watched(service):
        return  # a run that was hit has watched it all the same
    for attempt in range(3):
        name = service.run(f"week {week:02} is watched", "mails", "monitoring", window=window(week))
        if name not in ("Crashed", "Failed", "Cancelled"):
            return
        time.sleep(attempt)
    raise SystemExit(f"error: week {week} could not be watched: {name}")


def watched(service: Service) -> set[TimeRange | None]:
    """The windows of which there is a record."""
    from flows.machine.home import Home
    from flows.monitoring import watch

    os.environ["DRIFTLINE_HOME"] = service.environment()["DRIFTLINE_HOME"]
    return {seen.window for _, _, seen in watch.watched_runs(Home.of(service.repository("mails")))}


def _catch_up(service: Service) -> None:
    """One run is started; each has the next follow."""
    service.run("the first window of the backlog is watched", "mails", "monitoring")
    while not service.follow("a window of the backlog is watched", "mails", "monitoring"):
        pass


def _train(why: str, name: str, service: Service) -> None:
    service.run(f"{name}, {why}: trained", name, "training")


def _labels(week: int, service: Service) -> None:
    """A person fills in what was asked for of a week, from the rows themselves."""
    asked = sorted((service.folder / "home").glob(f"*/to_label/{week_of(week).since:%Y-%m-%d}_*/to_label.csv"))
    for file in asked:
        with file.open(newline="", encoding="utf-8") as opened:
            lines = list(csv.DictReader(opened))
        for line in lines:
            line["label"] = "spam" if int(line["id"].lstrip("'").rpartition("-")[2]) % 2 else "ham"
        filled = service.folder / "filled.csv"
        with filled.open("w", newline="", encoding="utf-8") as opened:
            writer = csv.DictWriter(opened, list(lines[0]))
            writer.writeheader()
            writer.writerows(lines)
        service.command("driftline", "label", str(filled), "--repository", str(service.repository("mails")))


def _killed(victims: tuple[str, ...], week: int, service: Service) -> None:
    """Processes are killed while a run is under way, and started again, as a service manager does."""
    service.up()
    run = service.trigger(f"week {week:02}, hit: watched", "mails", "monitoring", window=window(week))
    service.until(lambda: service.state(run)["state"]["type"] == "RUNNING", "the run has begun")
    time.sleep(3)
    service.kill(*victims)
    service.up()
    service.ended(run)


def _remote_away(week: int, service: Service) -> None:
    """The remote that gets the records cannot be reached while a window is watched."""
    away = service.folder / "away-mails.git"
    away.rename(away.with_suffix(".gone"))
    try:
        service.run(f"week {week:02}, the remote is away: watched", "mails", "monitoring", window=window(week))
    finally:
        away.with_suffix(".gone").rename(away)


def _moved(_: int, service: Service) -> None:
    old = service.repository("mails")
    old.rename(service.folder / f"mails-{int(old.name.rpartition('-')[2]) + 1}")
    service.up()
    service.deploy("mails")


def _reissued(_: int, service: Service) -> None:
    service.up()
    service.command("driftline", "upgrade", "--champion", "--yes", cwd=service.repository("mails"), code=None)


def _restored(_: int, service: Service) -> None:
    """The machine is lost: repository and home are gone, and come back from a backup."""
    service.up()
    old, backup = service.repository("mails"), service.folder / "mails.backup"
    backup.unlink(missing_ok=True)
    service.command("driftline", "backup", str(backup), "--repository", str(old))
    shutil.rmtree(old)
    for home in (service.folder / "home").glob("mails-*"):
        shutil.rmtree(home)
    new = service.folder / f"mails-{int(old.name.rpartition('-')[2]) + 1}"
    service.command("driftline", "restore", str(backup), str(new))
    service.deploy("mails")


def _stopped(_: int, service: Service) -> None:
    """A planned restart of everything."""
    service.up()
    for process in reversed(service.processes.values()):
        process.send_signal(signal.SIGTERM)
        with suppress(psutil.TimeoutExpired):
            process.wait(120)


INCIDENTS: tuple[tuple[str, int, Callable[[int, Service], None]], ...] = (
    ("the worker is killed", 6, partial(_killed, ("worker",))),
    ("the server is killed", 12, partial(_killed, ("server",))),
    ("the remote is away", 17, _remote_away),
    ("the power fails", 24, partial(_killed, ())),
    ("the checkout moves", 30, _moved),
    ("the champion is re-issued", 35, _reissued),
    ("everything is restarted", 39, _stopped),
    ("the machine is lost and restored", 42, _restored),
)
