"""A failure that lasts is told once: from when a flow fails until it ends well, what begins alike is one incident."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from flows.machine.home import Home
from flows.notify import notifications


def failed(
    home: Home, flow: str, name: str, words: str, notify: str | None, more: Callable[[], Sequence[str]] = list
) -> None:
    """Notify of a failed run unless that has been done for this incident.

    The first line of its words tells incidents apart: which stage failed, or what was refused. What follows are a log's
    last lines, which hold times and the run's own folder. ``more`` gives the lines after its words, if it is told.
    """
    file, first = _file(home, flow), words.splitlines()[0].replace(name, "").removeprefix("failed: ")
    known = file.read_text(encoding="utf-8").removeprefix("failed: ") if file.exists() else ""
    if notify and first != known and notifications.send(notify, f"{home.name}: {name} failed", words, *more()):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(first, encoding="utf-8")


def resolved(home: Home, flow: str) -> None:
    """The flow has ended well: the next failure is a new incident."""
    _file(home, flow).unlink(missing_ok=True)


def _file(home: Home, flow: str) -> Path:
    return home.folder / "incidents" / f"{flow}.txt"
