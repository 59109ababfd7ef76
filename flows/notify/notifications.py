"""What a watched window leaves for people and other systems: an artifact, an event, one notification per incident."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, cast

from prefect.artifacts import create_markdown_artifact
from prefect.blocks.abstract import NotificationBlock
from prefect.blocks.core import Block
from prefect.events import emit_event

from flows.machine.home import Home
from flows.machine.retry import retried
from flows.notify.blocks import load_own
from flows.notify.markdown import escaped, listed, plain
from flows.runs.metrics import DriftVerdict
from flows.runs.run_record import Watched
from tasks.core.errors import UserError

log = logging.getLogger(__name__)

DRIFT = "driftline.drift.detected"


def describe(watched: Watched, drift: DriftVerdict) -> str:
    """The three answers, the accuracy, the decision and what to do, in lines."""
    lines = watched.verdict.lines(watched.policy, drift.reason)
    if found := watched.measured:
        low, high = found.interval
        lines.append(
            f"accuracy {found.accuracy:.3f} [{low:.3f}, {high:.3f}] on {found.rows} labelled rows of {found.of}: "
            f"{found.over}"
        )
    if watched.where:
        lines.append(watched.where.in_words())
    lines.append(str(watched.decision))
    if watched.to_label:
        lines.append(f"label: fill in the column label, then driftline label {watched.to_label}")
        if watched.labels_needed:
            lines.append(f"{watched.labels_needed.in_words()}; the window has {watched.rows:,} rows")
    elif watched.rows and watched.facts.labelled == watched.rows:
        lines.append("label: nothing, every row has one")
    return "\n".join(lines)


def show(watched: Watched, drift: DriftVerdict, after: str, links: Sequence[str]) -> None:
    """The verdict as an artifact of the run."""
    heading = escaped(watched.title)
    text = "\n".join([f"## {heading}", listed(f"{describe(watched, drift)}\n{after}"), *links])
    create_markdown_artifact(key="drift", markdown=text, description=heading)


def emit(home: Home, run: str, watched: Watched, drift: DriftVerdict) -> None:
    """An event that automations and other systems can listen for."""
    told = watched.model_dump(mode="json", include={"window", "decision"})
    emit_event(
        event=DRIFT,
        resource={
            "prefect.resource.id": f"driftline.repository.{home.checkout.id}",
            "prefect.resource.name": home.name,
        },
        payload={
            "run": run,
            "champion": str(watched.champion),
            "window": told["window"],
            "verdict": watched.verdict.word,
            "reason": drift.reason,
            "alarms": drift.alarms,
            "decision": told["decision"],
            "title": watched.title,
        },
    )


def send(block: str | None, subject: str, body: str, *more: str) -> bool:
    """Tell whoever is to be told, if anybody: whether they know. That they could not be told fails no run.

    ``more`` are lines of our own, in which a link may be one.
    """
    if block:
        try:
            notify(block, subject, body, *more)
        except Exception as error:  # noqa: BLE001  blocks raise whatever their services' packages raise
            log.warning(f"{block} could not be notified: {error!r}")
            return False
    return bool(block)


def notify(block: str, subject: str, body: str, *more: str) -> None:
    """Send through a notification block that is saved on the server: ``slack-webhook/team``.

    Raises what the block raises, after a few tries; UserError where it is no such block.
    """

    def send() -> None:
        cast("Any", load(block)).notify(body="\n".join([plain(body), *more]), subject=plain(subject))

    retried(send, Exception, but=(UserError,))


def load(block: str) -> NotificationBlock:
    """The notification block that is saved on the server. ValueError: there is none; UserError: it is another block."""
    load_own()
    if block.count("/") != 1:
        raise UserError(f"{block} is no notification block: write its type and its name, as slack-webhook/team")
    loaded = Block.load(block)
    if not isinstance(loaded, NotificationBlock):
        raise UserError(f"{block} is a {type(loaded).__name__}, which sends no notifications")
    return loaded
