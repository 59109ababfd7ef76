"""Notifications on their way: kept until they are sent, so that whoever is to be told is told, once and in order."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

from pydantic import BaseModel, ConfigDict

from flows.errors import Busy
from flows.machine.home import Home
from flows.machine.locks import holding
from flows.notify import notifications
from tasks.core.files import private_folder, replacing

log = logging.getLogger(__name__)

KEPT = timedelta(days=14)


class Message(BaseModel):
    """One notification."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    block: str
    """slack-webhook/team"""
    subject: str
    body: str
    more: tuple[str, ...]
    since: datetime


def tell(home: Home, block: str | None, subject: str, body: str, *more: str) -> None:
    """Notify, if anybody is to be told: at once, or whenever it can be sent. That it cannot be fails no run."""
    if not block:
        return
    message = Message(block=block, subject=subject, body=body, more=more, since=datetime.now(UTC))
    home.make()
    file = private_folder(_folder(home)) / f"{message.since:%Y%m%d-%H%M%S-%f}-{uuid4().hex[:4]}.json"
    with replacing(file) as part:
        part.write_text(message.model_dump_json(), encoding="utf-8")
    flush(home)


def flush(home: Home) -> None:
    """Send what is kept, the oldest first; a block that cannot be reached is left for the next time."""
    if not waiting(home):
        return
    try:
        with holding(home.folder / "locks" / "outbox.lock", "a notification", "skip"):
            _send(home)
    except Busy:  # whoever sends now sends these too, or the next look does
        return


def _send(home: Home) -> None:
    silent: set[str] = set()
    for file, message in waiting(home).items():
        if message.block in silent:
            continue
        if notifications.send(message.block, message.subject, message.body, *message.more):
            file.unlink()
        elif datetime.now(UTC) - message.since > KEPT:
            log.error(f"given up after {KEPT.days} days: {message.subject}")
            file.unlink()
        else:
            silent.add(message.block)


def waiting(home: Home) -> dict[Path, Message]:
    """What is kept, the oldest first, by its file."""
    files = sorted(_folder(home).glob("*.json"))
    return {file: Message.model_validate_json(file.read_text(encoding="utf-8")) for file in files}


def _folder(home: Home) -> Path:
    return home.folder / "outbox"
