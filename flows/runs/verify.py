"""Rebuild a past run and compare: ``driftline verify [RUN] [--keep]``; the newest run when none is named.

The run's record is cloned with an empty cache that gets the inputs only, every stage runs again, and each output is
compared with the md5 on record. On another kind of processor than the record names, a model's outputs need not be the
same bytes, but its figures have to lie within ``tolerance.STATED``. Of a watched window, what the champion's commit had
made is made again from the rows of that commit, and the verdict is recomputed from the records of the windows that it
names. Exit code 0: the same; 1: not; 2: it cannot be told.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection, Iterator, Mapping, Set
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path

from configobj import ConfigObj
from dvc.exceptions import DvcException
from dvc.repo import Repo

from flows.machine.git import git
from flows.machine.home import Home
from flows.monitoring import sources
from flows.pipeline.graph import Dag
from flows.pipeline.stage import reproduce
from flows.runs import dvc_remote, kept, record, tolerance, workspace
from flows.runs.figures import recomputed
from flows.runs.record import LOCK, Experiment, LockedStage, Surroundings, locked
from flows.runs.run_record import Device, RunRecord
from flows.windows.verdict import RULES
from tasks.core.errors import UserError
from tasks.core.files import read_json
from tasks.core.paths import FINETUNE_COST, METRICS, REPORTS
from tasks.modelling.checkpoints import versions

INPUTS = "driftline-inputs"


@dataclass(frozen=True)
class Difference:
    """One file that is not what the record says."""

    stage: str
    path: str
    recorded: str
    rebuilt: str

    def __str__(self) -> str:
        return f"{self.path} of {self.stage}: {self.recorded} on record, {self.rebuilt or 'missing'} rebuilt"


@dataclass(frozen=True)
class Comparison:
    """What the rebuilding of a run showed."""

    run: str
    compared: int
    """Outputs."""
    differences: list[Difference]
    """In the order of the pipeline; on another kind of processor, those beyond the tolerances."""
    notes: list[str]
    """What is otherwise than when it ran: versions and device."""
    verdict: str | None = None
    """On a window, as recomputed."""
    earlier_rules: bool = False
    """The verdict is by an earlier release's rules, which are gone."""
    other_kind: bool = False
    """Bytes differ, and the run was made on another kind of processor."""

    @property
    def same(self) -> bool:
        return self.compared > 0 and not self.differences

    def __str__(self) -> str:
        if self.same:
            verdict = f"; the same verdict: {self.verdict}" if self.verdict else ""
            verdict = (
                "; its verdict is by an earlier release's rules: not recomputed" if self.earlier_rules else verdict
            )
            how = f"within {tolerance.STATED}, on another kind of processor" if self.other_kind else "same bytes"
            notes = [f"note: {note}" for note in self.notes if self.other_kind]
            return "\n".join([f"{self.run}: {how} ({self.compared} outputs){verdict}", *notes])
        if not self.differences:
            return f"{self.run}: nothing to compare: it ended before any stage had"
        stages = list(dict.fromkeys(one.stage for one in self.differences))
        by = f", by more than {tolerance.STATED}" if self.other_kind else ""
        lines = [f"{self.run}: differs from {stages[0]} on ({', '.join(stages)}){by}", f"first: {self.differences[0]}"]
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])


def rebuild(home: Home, past: Experiment, keep: bool = False, other_versions: Collection[str] = ()) -> Comparison:
    """Rebuild a run in a clone with an empty cache, and compare. Raises StageFailed or UserError, which installed
    versions other than the run's are too, but for the packages in ``other_versions``."""
    place = home.clones / f"verify-{past.name}"
    folder = workspace.clone(home, past.ref, place)
    try:
        versions.refuse_differing(folder, other_versions, "verify --other-version")
        run, known = record.read_record(home.origin, past), locked(folder / LOCK)
        (folder / LOCK).unlink(missing_ok=True)
        with chdir(folder):  # DVC names a stage from where one stands
            dag = Dag()
            order = [name for name in dag.order() if name in known]
            _run_again(home, folder, past, run, _champions_own(run, dag, order), order)
        found = list(compare(known, locked(folder / LOCK), order))
        verdict = _verdict(home, past, run)
        found += [verdict] if verdict else []
        around = record.surroundings(folder)
        differing = [one for one in found if one.recorded != one.rebuilt]
        other_kind = bool(differing) and not all(one.same_kind(around.device) for one in devices(home, run))
        if other_kind:
            made = {path for name in tolerance.of_models(dag, known) for path in known[name].outs}
            with chdir(folder):
                differing = list(beyond(differing, made, home.origin, past))
        word = verdict.rebuilt if verdict else None
        notes = list(_changed(run, around))
        return Comparison(past.name, len(found), differing, notes, word, _by_earlier_rules(run), other_kind)
    finally:
        if not keep:
            shutil.rmtree(place)


def _champions_own(run: RunRecord, dag: Dag, order: list[str]) -> list[str]:
    """The stages that monitoring did not run, nor any that they read from."""
    ran = {one.stage for one in run.stages}
    return [name for name in order if run.watched and not ran & {name, *dag.needs(name)}]


def _run_again(
    home: Home, folder: Path, past: Experiment, run: RunRecord, champions: list[str], order: list[str]
) -> None:
    """Every stage, from the rows that it read: those of the record, or for its own stages those of the champion."""
    if run.watched and champions:
        sources.read_at(folder, run.watched.champion.commit)
        _make(home, folder, champions)
        sources.bring(folder, past.commit)
    _make(home, folder, [name for name in order if name not in champions])


def _make(home: Home, folder: Path, stages: list[str]) -> None:
    _bring_inputs(folder, workspace.shared_cache(home))
    for name in stages:
        reproduce(name, ["rebuilt"])


def devices(home: Home, run: RunRecord) -> Iterator[Device]:
    """What the run ran on and, of a watched window, what its champion was trained on, if there is a record of that."""
    yield run.device
    if run.watched and (trained := record.known(home.origin, run.watched.champion.commit)):
        yield record.read_record(home.origin, trained).device


def beyond(
    differing: list[Difference], of_models: Set[str], repository: Path, past: Experiment
) -> Iterator[Difference]:
    """The differences that another kind of processor does not explain, of the run rebuilt in this folder.

    ``of_models``: the outputs that no byte is promised of there.
    """
    for one in differing:
        path = Path(one.path)
        if one.path not in of_models:
            yield one
        elif METRICS in path.parents:
            then = json.loads(git(repository, "show", f"{past.commit}:./{path}"))
            for name, recorded, rebuilt in tolerance.beyond(then, read_json(path)):
                yield Difference(one.stage, f"{path}: {name}", recorded, rebuilt)


def _verdict(home: Home, past: Experiment, run: RunRecord) -> Difference | None:
    """The verdict on a window, on record and recomputed; None where there is none. UserError: a record is gone."""
    if run.watched is None or run.watched.no_rows or not run.watched.verdict.computed or _by_earlier_rules(run):
        return None
    then, now = run.watched.verdict, recomputed(home.origin, past, run.watched)
    if then == now:
        return Difference("monitoring", "the verdict", then.word, now.word)
    return Difference("monitoring", "the verdict", then.model_dump_json(), now.model_dump_json())


def _by_earlier_rules(run: RunRecord) -> bool:
    """Of a window whose verdict an earlier release computed; before that there were none."""
    return run.watched is not None and run.watched.verdict.computed and run.watched.verdict.rules != RULES


def _bring_inputs(folder: Path, cache: Path) -> None:
    """What ``.dvc`` files point to, from the shared cache, which is laid out as a DVC remote is."""
    kept.restore(cache)
    settings = ConfigObj(str(folder / ".dvc" / "config.local"), encoding="utf-8", interpolation=False)
    settings[f'remote "{INPUTS}"'] = {"url": str(cache)}
    settings.write()
    with Repo(str(folder)) as repo:
        # by their .dvc files: an output's name would have DVC read dvc.yaml of the folder that this process is in
        targets = [stage.path for stage in repo.index.stages if stage.is_data_source]
        for remote in (INPUTS, None) if targets else ():
            try:
                repo.pull(targets=targets, remote=remote)
                return
            except DvcException as error:
                why = error
    if targets:
        words = dvc_remote.fault(folder) or why
        raise UserError(f"the inputs of the run are not in {cache}, nor could they be fetched: {words}")


def compare(
    known: Mapping[str, LockedStage], rebuilt: Mapping[str, LockedStage], order: list[str]
) -> Iterator[Difference]:
    """Every output, the same or not, with both its md5s; inputs only where they differ.

    Pages of earlier releases held times: they had the training's cost among their outputs, and are left out.
    """
    made = {path for stage in known.values() for path in stage.outs}
    timed = str(FINETUNE_COST) in made
    for name in order:
        then, now = known[name], rebuilt.get(name, LockedStage({}, {}))
        for path, md5 in then.deps.items():
            if path not in made and md5 != now.deps.get(path, ""):
                yield Difference(name, path, md5, now.deps.get(path, ""))
        for path, md5 in then.outs.items():
            if not (timed and REPORTS in Path(path).parents):
                yield Difference(name, path, md5, now.outs.get(path, ""))


def _changed(then: RunRecord, now: Surroundings) -> Iterator[str]:
    for name, value in then.versions.items():
        if now.versions.get(name) != value:
            yield f"{name} was {value}, is {now.versions.get(name)}"
    if then.device != now.device:
        yield f"it ran on {then.device}, this is {now.device}"


def past_run(home: Home, name: str | None) -> Experiment:
    """The record of that name, or of the newest run that ended well. UserError where there is none."""
    found = record.find(home.origin, name) if name else _newest(home)
    if not found:
        raise UserError(f"{home.origin} holds no record of a run yet")
    return found


def _newest(home: Home) -> Experiment | None:
    """The newest run that ended well and ran stages: a flow without any has nothing to rebuild."""
    for one in record.records(home.origin):
        run = record.read_record(home.origin, one)
        if run.completed and run.stages:
            return one
    return None
