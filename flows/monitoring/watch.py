"""Watching one window: which one is next, the champion's run on it, and what is known for a decision."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from dvc.repo import Repo

from flows.champion import manifest, precision, registry
from flows.champion.code_age import code_age
from flows.champion.comparison import fetch
from flows.errors import StageFailed
from flows.machine.home import Home
from flows.monitoring import arrivals, labelling, sources
from flows.parameters import Policy
from flows.pipeline.graph import Dag
from flows.pipeline.result import Result
from flows.runs import kept, record, workspace
from flows.runs.figures import past_windows, verdict_on
from flows.runs.metrics import DriftVerdict, Evaluation
from flows.runs.old_params import seed_of, windows_at, windows_of
from flows.runs.record import Experiment
from flows.runs.renamed import MONITORING
from flows.runs.run_record import Measured, RunRecord, Version, Watched
from flows.training import as_task, in_order
from flows.windows.policy import Facts, decide
from flows.windows.ranges import TimeRange, as_text, as_utc, next_window, set_windows
from flows.windows.segments import Carrier, Needed, carrier, needed
from flows.windows.verdict import MAX_WINDOWS, Figures, PastWindow, WindowVerdict, judge
from tasks.core import paths
from tasks.core.errors import UserError
from tasks.dataset import layout
from tasks.dataset.windows import Windows

log = logging.getLogger(__name__)

FLOW = MONITORING
NEWEST = 60
"""Windows that are looked through for late rows."""
MOST = 1000
"""Windows that one look at a range may have."""
FIRST = "ingest@current"  # of the branch that a new window runs


@dataclass(frozen=True)
class Plan:
    """What is about to be watched, by whom, and after what."""

    champion: Version
    window: TimeRange | None
    """None: undated data, all of the current window's source."""
    before: Watched | None
    """The window that was the last one."""
    late: tuple[TimeRange, ...] = ()
    """Windows that had no rows when they closed, and have some now; ``window`` is the first of them."""
    following: TimeRange | None = None
    """The window after the last one."""
    judged: Watched | None = None
    """The last one that had rows."""


def watched_runs(home: Home, but: str | None = None) -> Iterator[tuple[Experiment, RunRecord, Watched]]:
    """The records of windows that were watched to the end, newest first; without Prefect's run of the id ``but``."""
    for experiment in record.records(home.origin):
        run = record.read_record(home.origin, experiment)
        if run.flow == FLOW and run.completed and run.watched and (but is None or run.flow_run != but):
            yield experiment, run, run.watched


def last(home: Home, but: str | None = None) -> RunRecord | None:
    """The record of the newest window watched, by another run than that of the id ``but``; None before the first."""
    return next((run for _, run, _ in watched_runs(home, but)), None)


def without_rows(home: Home, but: str | None = None) -> list[TimeRange]:
    """The windows, among the newest ``NEWEST``, in which nothing had arrived when they were last looked at."""
    newest: dict[TimeRange | None, bool] = {}
    for _, _, watched in islice(watched_runs(home, but), NEWEST):
        newest.setdefault(watched.window, watched.no_rows)
    return [window for window, empty in newest.items() if window and empty and not trained_on(home, window)]


def _late(home: Home, windows: Windows, but: str | None) -> tuple[TimeRange, ...]:
    """Those of them in which a later look has found rows, and which were not watched since."""
    looked: set[TimeRange | None] = set()
    found: set[TimeRange] = set()
    for _, _, watched in islice(watched_runs(home, but), NEWEST):
        found.update(window for window in watched.arrived if window not in looked)
        looked.add(watched.window)
    return tuple(sorted((one for one in found if not _begins_within(windows, one)), key=lambda one: one.since))


def plan(home: Home, since: str | None, until: str | None, days: float | None, flow_run: str | None = None) -> Plan:
    """The window that was asked for, or the one after the last.

    For Prefect's run of the id ``flow_run``: a retry has the window of its last try.

    Raises UserError without a champion, on half a window and on the past.
    """
    champion = registry.champion(home.origin)
    if champion is None:
        raise UserError("there is no champion to watch yet: `driftline promote` makes this commit's model it")
    if (since is None) != (until is None):
        raise UserError("--since and --until go together")
    run, windows = last(home, flow_run), windows_at(home, champion.commit)
    before = run.watched if run else None
    judged = next((one for _, _, one in watched_runs(home, flow_run) if not one.no_rows), None)
    if since and until:
        asked = TimeRange(as_utc(since), as_utc(until))
        _refuse_trained_on(windows, asked)
        return Plan(champion, asked, before, judged=judged)
    late = _late(home, windows, flow_run)
    following = next_window(windows, before.seen_until if before else None, days)
    return Plan(champion, late[0] if late else following, before, late, following, judged)


def waiting(home: Home, planned: Plan, days: float | None, at: datetime) -> Iterator[TimeRange]:
    """The windows that have closed by then and were not watched, the planned one first."""
    yield from planned.late
    windows, window = windows_at(home, planned.champion.commit), planned.following
    while window and window.until <= at:
        yield window
        window = next_window(windows, window.until, days)


def unwatched(home: Home, since: str | None, until: str | None, days: float | None) -> list[TimeRange]:
    """The closed windows of a range, or else since the last one, that this champion was not watched on, in their order.

    Raises UserError as ``plan`` does, and where there are more than ``MOST``.
    """
    planned = plan(home, since, until, days)
    windows = windows_at(home, planned.champion.commit)
    ours = [watched for _, _, watched in watched_runs(home) if watched.champion == planned.champion]
    seen = {watched.window for watched in ours if not watched.no_rows}
    begin = as_utc(since) if since else None if planned.before is None else planned.before.seen_until
    end = min(as_utc(until) if until else datetime.now(UTC), datetime.now(UTC))
    first = replace(planned, following=next_window(windows, begin, days))
    found = list(islice(waiting(home, first, days, end), MOST + 1))
    if len(found) > MOST:
        raise UserError(f"more than {MOST} windows from {found[0]} on: name --since and --until, or longer --days")
    return [one for one in found if one not in seen]


def trained_on(home: Home, window: TimeRange) -> bool:
    """Whether the champion has learnt from rows of this window."""
    champion = registry.champion(home.origin)
    return champion is not None and _begins_within(windows_at(home, champion.commit), window)


def _begins_within(windows: Windows, window: TimeRange) -> bool:
    end = windows.reference.until
    return end is not None and window.since < end


def _refuse_trained_on(windows: Windows, window: TimeRange) -> None:
    if window.since >= window.until:
        raise UserError(f"{window}: a window ends after it begins")
    if _begins_within(windows, window):
        end = windows.reference.until
        raise UserError(
            f"the champion was trained on rows until {as_text(end)}: let --since be {as_text(end)} or later"
        )


def models_of(folder: Path) -> list[Path]:
    """What ``score`` runs: the model, and the baseline where the commit's pipeline fits one."""
    with Repo(str(folder)) as repo:
        made = {Path(out.fs_path).relative_to(repo.root_dir) for stage in repo.index.stages for out in stage.outs}
    return [paths.CLASSIFIER, *({paths.BASELINE} & made)]


def run_branch(
    home: Home, planned: Plan, folder: Path, revision: str, minutes: Mapping[str, float]
) -> Iterator[Result]:
    """Run the current branch on the window in a clone at the champion's commit, which is the current folder.

    Rows of the window are read as they are at ``revision``. Those of the reference are the champion's: what has been
    appended or corrected there since is for the next training.
    """
    precision.refuse_mixed(folder)
    fetch(folder, planned.champion.commit, models_of(folder))  # NotFetched without them
    sources.read_at(folder, workspace.pinned(home, revision))
    log.info(f"the champion's code: {code_age(home, planned.champion.commit, revision)}")
    if planned.window:
        window = {"from": as_text(planned.window.since), "until": as_text(planned.window.until)}
        set_windows(folder / paths.PARAMS, {"current": window})
    labelling.copy_labels(home, folder, ["current"])
    workspace.land(home, folder)
    workspace.materialise(folder)
    manifest.verify(folder, planned.champion.commit, manifest.PROMOTED)
    kept.keep(home, workspace.shared_cache(home), folder, manifest.PROMOTED)  # of a version of an earlier release too
    dag = Dag()
    try:
        yield from in_order(dag, dag.after(FIRST), as_task(dag, minutes))
    except StageFailed as failure:
        if not arrivals.is_empty(planned.window):
            raise
        log.info(f"{planned.window} has no rows: {failure}")
        arrivals.forget(folder, dag, dag.after(FIRST))


def conclude(home: Home, planned: Plan, folder: Path, policy: Policy, to_label: int) -> Watched:
    """The decision on a window that has been watched, or that has no rows, and all it rests on."""
    if not (folder / layout.window("current").validated).exists():
        verdict = judge(Figures(), None, planned.window, [], policy)
        facts = _facts(folder, planned, None, None, verdict, 0)
        return _concluded(home, planned, folder, policy, facts, verdict, no_rows=True)
    rows, drift = labelling.answered(folder), DriftVerdict.in_folder(folder)
    file, past = labelling.file_of(home, planned.window), watched_before(home, planned)
    seed, segment = seed_of(folder / paths.PARAMS), None
    if not file.exists():  # the rows to ask for follow what is known without their labels
        first = verdict_on(drift, labelling.measured(rows, file), planned.window, past, policy)
        asks = carrier(first.word, drift.segments)
        segment = asks.segment if asks else None
    asked = labelling.offer(home, planned.window, rows, seed, to_label, segment)
    measured = labelling.measured(rows, file)
    verdict = verdict_on(drift, measured, planned.window, past, policy)
    where = carrier(verdict.word, drift.segments)
    facts = _facts(folder, planned, drift, measured, verdict, sum(bool(row.label) for row in rows))
    found = _concluded(home, planned, folder, policy, facts, verdict, no_rows=False)
    label = str(asked) if asked else None
    return found.model_copy(
        update={
            "rows": len(rows),
            "measured": measured,
            "to_label": label,
            "where": Carrier(**where.model_dump(include=set(Carrier.model_fields))) if where else None,
            "labels_needed": _labels_needed(facts, verdict, policy) if asked else None,
        }
    )


def _labels_needed(facts: Facts, verdict: WindowVerdict, policy: Policy) -> Needed | None:
    """None where no accuracy is known to start from."""
    if facts.accuracy_now is None:
        return None
    loss = verdict.harm.loss
    return needed(facts.accuracy_now, loss.value if loss else None, policy.tolerated_loss)


def _concluded(
    home: Home,
    planned: Plan,
    folder: Path,
    policy: Policy,
    facts: Facts,
    verdict: WindowVerdict,
    *,
    no_rows: bool,
) -> Watched:
    """What is said of any window, with rows or without."""
    decision, window = decide(policy, facts), planned.window
    refits = decision.refit and policy.action != "nothing"
    ends = [planned.before.seen_until if planned.before else None, window.until if window else None]
    earlier = [one for one in without_rows(home) if one != window]
    return Watched(
        champion=planned.champion,
        window=window,
        seen_until=max((end for end in ends if end), default=None),  # looking at an old window again takes nothing back
        rows=0,
        measured=None,
        verdict=verdict,
        to_label=None,
        policy=policy,
        facts=facts,
        decision=decision,
        tried_at=facts.at if refits else facts.tried_at,
        no_rows=no_rows,
        arrived=tuple(arrivals.found(earlier)),
    )


def watched_before(home: Home, planned: Plan) -> list[PastWindow]:
    """The windows with rows that the same model was watched on, each once."""
    runs = (
        (experiment, watched)
        for experiment, _, watched in watched_runs(home)
        if not watched.no_rows
        and watched.window != planned.window
        and _same_model(home, watched.champion, planned.champion)
    )
    return list(islice(past_windows(home.origin, runs), MAX_WINDOWS))


def continues(home: Home, watched: Watched, before: Watched | None) -> bool:
    """Whether the window before raised an alarm too, under the same model: the same incident."""
    return bool(before and before.verdict.alarm and _same_model(home, before.champion, watched.champion))


def is_later(watched: Watched, before: Watched | None) -> bool:
    """Whether it was a look at a newer window, not at an old one again."""
    ends = watched.seen_until, before.seen_until if before else None
    return ends[0] is not None and ends[1] is not None and ends[0] > ends[1]


def _same_model(home: Home, one: Version, other: Version) -> bool:
    """Whether two versions are the same weights: one may be the other, re-issued on newer code."""
    return one == other or record.same_model(home.origin, one.commit, other.commit)


def _facts(
    folder: Path,
    planned: Plan,
    drift: DriftVerdict | None,
    measured: Measured | None,
    verdict: WindowVerdict,
    labelled: int,
) -> Facts:
    estimated = drift.performance.estimated_accuracy if drift else None
    now = measured.accuracy if measured else estimated
    return Facts(
        at=planned.window.until if planned.window else record.now(),
        trained_until=windows_of(folder / paths.PARAMS).reference.until,
        tried_at=planned.before.tried_at if planned.before else None,
        word=verdict.word,
        alarm=verdict.alarm,
        accuracy_then=Evaluation.in_folder(folder).accuracy,
        accuracy_now=now,
        accuracy_is=None if now is None else "measured" if measured else "estimated",
        labelled=labelled,
    )
