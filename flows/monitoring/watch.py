"""Watching one window: which one is next, the champion's run on it, and what is known for a decision."""

from __future__ import annotations

import tempfile
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from flows.champion import registry
from flows.champion.comparison import bring
from flows.champion.registry import Version
from flows.machine.git import git
from flows.machine.home import Home
from flows.monitoring import labelling
from flows.parameters import Policy
from flows.pipeline.graph import Dag
from flows.pipeline.stage import Result
from flows.runs import record, workspace
from flows.training import as_task, in_order
from flows.windows import history
from flows.windows.policy import Decision, Facts, decide
from flows.windows.ranges import Span, coming, moment, set_windows, written
from tasks.core import paths
from tasks.core.errors import UserError
from tasks.core.files import read_json
from tasks.core.params import general
from tasks.dataset.windows import Windows
from tasks.dataset.windows import load as load_windows

FLOW = "monitoring"
FIRST = "ingest@current"  # of the branch that a new window runs
REFERENCE = "ingest@reference"  # reads the same source, so it is looked at too; what reads from it is not


@dataclass(frozen=True)
class Watch:
    """What is about to be watched, by whom, and after what."""

    champion: Version
    span: Span | None
    """None: undated data, all of the current window's source."""
    before: dict[str, Any]
    """What the record of the window watched before says; empty before the first."""


def params_at(home: Home, commit: str) -> Windows:
    """The windows of ``params.yaml`` as they are at a commit."""
    with tempfile.TemporaryDirectory() as made:
        file = Path(made) / paths.PARAMS
        file.write_text(git(home.origin, "show", f"{commit}:{paths.PARAMS}") + "\n", encoding="utf-8")
        return load_windows(file)


def last(home: Home) -> dict[str, Any]:
    """What the record of the newest window watched says; empty before the first."""
    for one in record.records(home.origin):
        said = record.show(home.origin, one)
        if said["flow"] == FLOW and said["outcome"] == "completed":
            return said
    return {}


def plan(home: Home, since: str | None, until: str | None, days: float | None) -> Watch:
    """The range that was asked for, or the window after the last one.

    Raises UserError without a champion, on half a range and on the past.
    """
    champion = registry.champion(home.origin)
    if champion is None:
        raise UserError("there is no champion to watch yet: `driftline promote` makes this commit's model it")
    if (since is None) != (until is None):
        raise UserError("--since and --until go together")
    before, windows = last(home), params_at(home, champion.commit)
    if since and until:
        asked = Span(moment(since), moment(until))
        _refuse_trained_on(windows, asked)
        return Watch(champion, asked, before)
    seen = before.get("seen_until")
    return Watch(champion, coming(windows, moment(seen) if seen else None, days), before)


def _refuse_trained_on(windows: Windows, span: Span) -> None:
    if span.since >= span.until:
        raise UserError(f"{span}: a window ends after it begins")
    end = windows.reference.until
    if end and span.since < end:
        raise UserError(
            f"the champion was trained on rows until {written(end)}: let --since be {written(end)} or later"
        )


def watch(
    home: Home,
    watched: Watch,
    folder: Path,
    minutes: dict[str, float],
    results: list[Result],
) -> None:
    """Run the current branch on the span in a clone at the champion's commit, which is the current folder."""
    bring(folder, watched.champion.commit, [paths.CLASSIFIER])  # refused where the model is not to be had
    if watched.span:
        window = {"from": written(watched.span.since), "until": written(watched.span.until)}
        set_windows(folder / paths.PARAMS, {"current": window})
    labelling.bring(home, folder, ["current"])
    workspace.land(home, folder)
    workspace.materialise(folder)
    dag = Dag()
    for result in in_order(dag, [REFERENCE, *dag.after(FIRST)], as_task(dag, minutes)):
        results.append(result)


def conclude(home: Home, watched: Watch, folder: Path, policy: Policy, to_label: int) -> dict[str, Any]:
    """The decision on a window that has been watched, and all it rests on, as its record has it."""
    rows = labelling.answered(folder)
    asked = labelling.ask(home, watched.span, rows, general(folder / paths.PARAMS).seed, to_label)
    measured = labelling.measured(rows, labelling.file_of(home, watched.span))
    known = _facts(folder, watched, rows, measured)
    span, champion = watched.span, asdict(watched.champion)
    window = {"since": written(span.since), "until": written(span.until)} if span else None
    return {
        "champion": champion,
        "window": window,
        "seen_until": _latest(watched.before.get("seen_until"), span.until if span else None),
        "rows": len(rows),
        "drifted": known.drifted,
        "measured": measured,
        "past": history.beside(home, FLOW, champion, window, read_json(folder / paths.metrics("drift"))),
        "to_label": str(asked) if asked else None,
        "policy": policy.model_dump(),
        "facts": {
            key: written(value) if isinstance(value, datetime) else value for key, value in asdict(known).items()
        },
        "decision": asdict(decide(policy, known)),
    }


def _latest(before: str | None, now: datetime | None) -> str | None:
    """How far windows have been watched; looking at an old one again takes nothing back."""
    return written(max(filter(None, (moment(before) if before else None, now)), default=None))


def _facts(folder: Path, watched: Watch, rows: list[labelling.Row], measured: dict[str, Any] | None) -> Facts:
    drift, evaluate = (read_json(folder / paths.metrics(stage)) for stage in ("drift", "evaluate"))
    estimated = (drift.get("performance") or {}).get("estimated_accuracy")
    now = measured["accuracy"] if measured else estimated
    tried = watched.before.get("tried_at")
    return Facts(
        at=watched.span.until if watched.span else moment(record.now()),
        trained_until=load_windows(folder / paths.PARAMS).reference.until,
        tried_at=moment(tried) if tried else None,
        drifted=drift["drifted"],
        accuracy_then=evaluate.get("accuracy"),
        accuracy_now=now,
        accuracy_is=None if now is None else "measured" if measured else "estimated",
        labelled=sum(bool(row.label) for row in rows),
    )


def decision(said: dict[str, Any]) -> Decision:
    """The decision as the record of a window has it."""
    return Decision(**said["decision"])
