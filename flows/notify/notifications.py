"""What a watched window leaves for people and other systems: an artifact, an event, one notification per incident."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, cast

from prefect.artifacts import create_markdown_artifact
from prefect.blocks.abstract import NotificationBlock
from prefect.blocks.core import Block
from prefect.events import emit_event
from tenacity import Retrying, retry_if_not_exception_type, stop_after_attempt

from flows.machine.home import Home
from flows.notify.artifacts import links
from flows.runs.publish import TRIES, WAIT
from flows.runs.summary import drift_line
from flows.windows import history
from flows.windows.ranges import Span
from tasks.core import paths
from tasks.core.errors import UserError
from tasks.core.files import read_json

log = logging.getLogger(__name__)

DRIFT = "driftline.drift.detected"


def title(span: Span | None, drifted: bool | None) -> str:
    """In a few words."""
    verdict = {True: "drift", False: "no drift", None: "no verdict on drift"}[drifted]
    return f"{span or 'all there is'}: {verdict}"


def words(folder: Path, said: dict[str, Any]) -> str:
    """The verdict, the accuracy, the decision and what to do, in lines."""
    drift = read_json(folder / paths.metrics("drift"))
    lines = [" ".join(drift_line(drift).split())]
    if compared := history.words(said["past"], drift):
        lines.append(compared)
    if said["measured"]:
        found = said["measured"]
        low, high = found["interval"]
        lines.append(
            f"accuracy {found['accuracy']:.3f} [{low:.3f}, {high:.3f}] on {found['rows']} labelled rows "
            f"of {found['of']}: {found['over']}"
        )
    lines.append(f"{'refit' if said['decision']['refit'] else 'no refit'}: {'; '.join(said['decision']['reasons'])}")
    if said["to_label"]:
        lines.append(f"label: {said['to_label']}, then driftline label FILE")
    return "\n".join(lines)


def show(folder: Path, span: Span | None, said: dict[str, Any], after: str) -> None:
    """The verdict as an artifact of the run."""
    text = "\n".join([f"## {title(span, said['drifted'])}", "```", words(folder, said), after, "```", *links(folder)])
    create_markdown_artifact(key="drift", markdown=text, description=title(span, said["drifted"]))


def announce(home: Home, run: str, champion: str, folder: Path, span: Span | None, said: dict[str, Any]) -> None:
    """An event that automations and other systems can listen for."""
    drift = read_json(folder / paths.metrics("drift"))
    alarms = [name for name, signal in drift.get("signals", {}).items() if signal.get("alarm")]
    emit_event(
        event=DRIFT,
        resource={
            "prefect.resource.id": f"driftline.repository.{home.folder.name}",
            "prefect.resource.name": home.origin.name,
        },
        payload={
            "run": run,
            "champion": champion,
            "window": said["window"],
            "reason": drift["reason"],
            "alarms": alarms,
            "decision": said["decision"],
            "title": title(span, True),
        },
    )


def send(block: str | None, subject: str, body: str) -> bool:
    """Tell whoever is to be told, if anybody: whether they know. That they could not be told fails no run."""
    if block:
        try:
            notify(block, subject, body)
        except Exception as error:  # noqa: BLE001  blocks raise whatever their services' packages raise
            log.warning(f"{block} could not be notified: {error!r}")
            return False
    return bool(block)


def notify(block: str, subject: str, body: str) -> None:
    """Send through a notification block that is saved on the server: ``slack-webhook/team``.

    Raises what the block raises, after a few tries; UserError where it is no such block.
    """

    def send() -> None:
        loaded = Block.load(block)
        if not isinstance(loaded, NotificationBlock):
            raise UserError(f"{block} is a {type(loaded).__name__}, which sends no notifications")
        cast("Any", loaded).notify(body=body, subject=subject)

    Retrying(stop=stop_after_attempt(TRIES), wait=WAIT, retry=retry_if_not_exception_type(UserError), reraise=True)(
        send
    )


def goes_on(before: dict[str, Any], said: dict[str, Any]) -> bool:
    """Whether the window before had drifted too, under the same champion: the same incident."""
    return bool(before.get("drifted")) and before.get("champion") == said["champion"]
