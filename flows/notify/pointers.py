"""The last lines of a notification: since when, how late, how bad, where to look, what to type. All our own words."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from itertools import takewhile

from prefect.utilities.urls import url_for

from flows.machine.home import Home
from flows.notify.markdown import plain
from flows.runs import record
from flows.runs.run_record import RunRecord, Watched

WAITED = timedelta(days=2)
"""What a window may wait, once it has closed, before that counts as late: more than a nightly run lets it."""


def page(flow_run: object) -> Iterator[str]:
    """The run on Prefect's page; nothing where the server has none."""
    if found := url_for("flow-run", obj_id=str(flow_run)):
        yield f"look: {found}"


def after_failure(home: Home, flow: str, name: str, flow_run: object) -> list[str]:
    """Of a run that failed, and is recorded."""
    return [
        *_since(home, flow),
        *late(home, name),
        *page(flow_run),
        f"try again: prefect flow-run retry {name}",
        _where(home),
    ]


def after_drift(home: Home, watched: Watched, name: str, flow_run: object) -> list[str]:
    """Of a window with an alarm."""
    facts, lines = watched.facts, [f"since: {watched.window}" if watched.window else "since: this look at all there is"]
    if facts.accuracy_now is not None and facts.accuracy_then is not None:
        lines.append(
            f"how bad: accuracy {facts.accuracy_now:.3f} {facts.accuracy_is}, {facts.accuracy_then:.3f} when trained"
        )
    lines += [*late(home, name), *page(flow_run), f"the reports: driftline report {name}"]
    if watched.window and watched.policy.action == "nothing":
        lines.append(
            "to refit and let the gate decide: driftline monitor --policy alarm --action promote" + _again(watched)
        )
    return [*lines, _where(home)]


def late(home: Home, name: str) -> Iterator[str]:
    """By how much a recorded run began after it was due, and after its window had closed; nothing if in time."""
    known = record.known(home.origin, name)
    run = record.read_record(home.origin, known) if known else None
    if run and run.late:
        yield f"late: {run.lateness}, due {run.due:%Y-%m-%d %H:%M} UTC"
    window = run.watched.window if run and run.watched else None
    if run and window and (waited := run.started - window.until) > WAITED:
        yield f"late: the window had closed {waited.days} days before"


def before_approval(home: Home, name: str, flow_run: object, hours: float) -> list[str]:
    """Of a model that waits for a person."""
    yes, no = f"driftline approve {name}", f"driftline approve {name} --decline"
    return [f"until: {hours:g} hours from now", *page(flow_run), f"yes: {yes}", f"no: {no}", _where(home)]


def _again(watched: Watched) -> str:
    from flows.windows.ranges import as_text

    assert watched.window
    return f" --since {as_text(watched.window.since)} --until {as_text(watched.window.until)}"


def _where(home: Home) -> str:
    return plain(f"commands are for the repository in {home.origin}")


def _since(home: Home, flow: str) -> Iterator[str]:
    """Since when the flow has failed, how often, and when it last ended well."""
    runs = [run for one in record.records(home.origin) if (run := record.read_record(home.origin, one)).flow == flow]
    failed = [run for run in takewhile(lambda run: not run.completed, runs) if run.outcome.startswith("failed")]
    well = next((run for run in runs if run.completed), None)
    last = f"the last that ended well: {_at(well)}" if well else "none has ended well yet"
    if failed:
        yield f"since: {_at(failed[-1])}; {_count(len(failed))} since then; {last}"


def _at(run: RunRecord) -> str:
    return f"{run.ended:%Y-%m-%d %H:%M} UTC"


def _count(number: int) -> str:
    return "1 failed run" if number == 1 else f"{number} failed runs"
