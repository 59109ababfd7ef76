"""What the records say of windows, as the verdict takes it: for the next window, and to recompute one on record."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from flows.parameters import Policy
from flows.runs import record
from flows.runs.metrics import DriftVerdict, Performance
from flows.runs.record import Experiment
from flows.runs.run_record import Measured, Watched
from flows.windows.ranges import TimeRange
from flows.windows.verdict import Figures, Loss, PastWindow, WindowVerdict, judge
from tasks.core.errors import UserError


def figures(drift: DriftVerdict, measured: Measured | None) -> Figures:
    """Of one window: its distances, and the losses of accuracy against held-out reference rows."""
    found, before = drift.performance, _reference(drift.performance)
    now = (measured.accuracy, *measured.interval) if measured else None
    expected = (found.estimated_accuracy, *found.interval) if found.estimated_accuracy and found.interval else None
    return Figures(
        distances=drift.distances.current if drift.distances else {},
        measured=Loss.between(before, now) if before and now else None,
        predicted=Loss.between(before, expected) if before and expected else None,
    )


def _reference(found: Performance) -> tuple[float, float, float] | None:
    """Accuracy and interval; of an earlier release, which gave no interval, the accuracy alone."""
    if found.reference_accuracy is None:
        return None
    return (found.reference_accuracy, *(found.reference_interval or (found.reference_accuracy,) * 2))


def reference_windows(drift: DriftVerdict) -> Iterator[PastWindow]:
    """The past windows that the stage cut the reference into; each one's accuracy is held against the others'."""
    accuracy = drift.performance.reference_accuracy
    for one in drift.distances.past if drift.distances else ():
        others = drift.performance.reference_rows - one.labelled
        measured = predicted = None
        if accuracy is not None and one.labelled and others > 0:
            right = accuracy * drift.performance.reference_rows - one.right
            measured = _alone(right / others - one.right / one.labelled)
        if accuracy is not None and one.estimated_accuracy is not None:
            predicted = _alone(accuracy - one.estimated_accuracy)
        found = Figures(distances=one.distances, measured=measured, predicted=predicted)
        yield PastWindow(TimeRange(one.since, one.until), found, None)


def _alone(loss: float) -> Loss:
    """Of a past window, whose chance of rows is part of how the past windows vary."""
    return Loss(value=round(loss, 6), low=round(loss, 6), high=round(loss, 6))


def past_windows(repository: Path, runs: Iterable[tuple[Experiment, Watched]]) -> Iterator[PastWindow]:
    """Windows that were watched, each range once: of its records the first that comes, which is the newest."""
    seen: set[TimeRange] = set()
    for experiment, watched in runs:
        if watched.window is None or watched.window in seen:
            continue
        seen.add(watched.window)
        drift = DriftVerdict.at(repository, experiment.commit)
        found = figures(drift, watched.measured) if drift else Figures()
        yield PastWindow(watched.window, found, experiment.name)


def verdict_on(
    drift: DriftVerdict,
    measured: Measured | None,
    window: TimeRange | None,
    watched: Iterable[PastWindow],
    policy: Policy,
) -> WindowVerdict:
    """The verdict on a window, from its own metrics and the windows that were watched."""
    past = [*reference_windows(drift), *watched]
    return judge(figures(drift, measured), drift.drifted, window, past, policy)


def recomputed(repository: Path, one: Experiment, watched: Watched) -> WindowVerdict:
    """The verdict on record once more, from the records that it names. UserError: one of them is gone."""
    named = (*watched.verdict.runs, *watched.verdict.overlaps)
    known = {each.name: each for each in record.records(repository)} if named else {}
    if gone := [name for name in named if name not in known]:
        raise UserError(f"the verdict rests on {gone[0]}, whose record is gone: restore it from a backup or a remote")
    runs = [(known[name], record.read_record(repository, known[name]).watched) for name in named]
    drift = DriftVerdict.at(repository, one.commit)
    if drift is None:
        raise UserError(f"{one.name} holds no metrics/drift.json")
    before = past_windows(repository, [(each, seen) for each, seen in runs if seen])
    return verdict_on(drift, watched.measured, watched.window, before, watched.policy)
