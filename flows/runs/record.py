"""The record of a run: a commit under the run's name, which holds all that its rebuilding needs.

It is a commit on top of the one the run was pinned to, with ``dvc.lock`` (the md5 of every input and output),
``metrics/``, the pointers of what landed, ``reports/run.json`` and, where a training ran, what it cost. Time, host and
device stand in these two, since no output of a stage holds any. Failed runs have a record too, of as far as they came.

It has two references: ours, which counts, and one of DVC's experiments, so that ``dvc exp`` shows and applies it.
``dvc exp remove`` deletes the second only. Records of earlier releases have only that one, until ``adopt``.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from flows.errors import GitFailed
from flows.machine.checkout import project
from flows.machine.git import git, identity, succeeds, typed
from flows.machine.version import version as driftline_version
from flows.pipeline.result import Result
from flows.runs.run_record import Device, EarlierTry, RunRecord, Watched
from tasks.core import chip, paths, recorded
from tasks.core.errors import UserError
from tasks.core.files import read_json, write_json
from tasks.dataset import layout

RUN = paths.REPORTS / "run.json"
LOCK = "dvc.lock"
OWN = "refs/driftline/"
SHOWN = ("dvc", "prefect", "evidently", "great-expectations", "scikit-learn", "pyarrow")  # beside environment.json's


@dataclass(frozen=True)
class Experiment:
    """The commit that holds a run's record."""

    name: str
    commit: str
    """Of the record itself."""
    baseline: str
    """The commit the run was pinned to."""
    ref: str
    """Of ours; of DVC's experiments where an earlier release made it."""

    @property
    def own(self) -> bool:
        """Whether the record has a reference of ours."""
        return self.ref.startswith(OWN)


def records(repository: Path) -> list[Experiment]:
    """Every record, newest first; experiments that no run made are left out."""
    form = "--format=%(refname) %(objectname) %(committerdate:unix) %(parent)"
    found: dict[str, tuple[tuple[int, str], Experiment]] = {}
    # of two records in one second the name, which begins with its start, decides; ours come before DVC's
    for line in git(repository, "for-each-ref", form, own_refs(repository), "refs/exps").splitlines():
        ref, commit, second, *parents = line.split()
        one = Experiment(ref.split("/")[-1], commit, parents[0] if parents else commit, ref)
        if one.name not in found and (one.own or _is_record(repository, one)):
            found[one.name] = (int(second), one.name), one
    return [one for _, one in sorted(found.values(), key=lambda each: each[0], reverse=True)]


def own_refs(repository: Path) -> str:
    """Where our references of the project's records are; a folder of a larger repository has its own."""
    folder = project(repository)
    return f"{OWN}projects/{folder}/records" if folder else f"{OWN}records"


def _is_record(repository: Path, experiment: Experiment) -> bool:
    """Whether a run made this experiment of DVC's."""
    whole = experiment.ref.count("/") == 4 and "/exec/" not in experiment.ref
    return whole and succeeds(repository, "cat-file", "-e", f"{experiment.commit}:./{RUN}")


def adopt(repository: Path) -> None:
    """Give the records of earlier releases a reference of ours, which ``dvc exp remove`` leaves alone."""
    for one in records(repository):
        if not one.own:
            git(repository, "update-ref", f"{own_refs(repository)}/{one.name}", one.commit)


def forget(repository: Path, record: Experiment) -> None:
    """Delete every reference of a record. What a tag leads to stays git's."""
    for ref in git(repository, "for-each-ref", "--format=%(refname)", own_refs(repository), "refs/exps").splitlines():
        if ref.endswith(f"/{record.name}"):
            git(repository, "update-ref", "-d", ref)


def find(repository: Path, name: str) -> Experiment:
    """The record of that name or commit. UserError where there is none."""
    if found := known(repository, name):
        return found
    newest = ", ".join(record.name for record in records(repository)[:5])
    raise UserError(
        f"{repository} holds no record of a run {name!r}" + (f"; the newest are {newest}" if newest else "")
    )


def known(repository: Path, name: str) -> Experiment | None:
    """The record of that name or commit; None where there is none."""
    return next((one for one in records(repository) if name in (one.name, one.commit)), None)


def tries(repository: Path, name: str) -> tuple[EarlierTry, ...]:
    """What a run of that name has tried so far; nothing unless it is tried again."""
    before = known(repository, name)
    return read_record(repository, before).tries() if before else ()


def read_record(repository: Path, experiment: Experiment) -> RunRecord:
    """``reports/run.json`` of the experiment. FlowError: of no release that this one knows."""
    return RunRecord.read(git(repository, "show", f"{experiment.commit}:./{RUN}"), experiment.name)


def latest(repository: Path, *, flow: str | None = None) -> Experiment | None:
    """The newest record of a run that ended well, of one flow or of any."""
    for experiment in records(repository):
        run = read_record(repository, experiment)
        if run.completed and flow in (None, run.flow):
            return experiment
    return None


@dataclass(frozen=True)
class Surroundings:
    """What may decide over bytes beside the commit."""

    versions: dict[str, str]
    """Of what runs here, not of what was locked."""
    device: Device


def surroundings(folder: Path) -> Surroundings:
    """Of a run in the folder, here and now."""
    return Surroundings(dict(_versions(folder)), _device(folder))


@dataclass(frozen=True)
class RunInfo:
    """What a run was started as."""

    name: str
    flow: str
    repository: Path
    started: datetime
    revision: str | None = None
    because: str | None = None
    due: datetime | None = None
    flow_run: str | None = None
    """Prefect's id."""


def describe(
    folder: Path, info: RunInfo, outcome: str, results: Sequence[Result] = (), watched: Watched | None = None
) -> RunRecord:
    """The record of the run in ``folder``, which ends now; its earlier tries are named where it is a retry."""
    params, around = folder / paths.PARAMS, surroundings(folder)
    return RunRecord(
        name=info.name,
        flow=info.flow,
        outcome=outcome,
        started=info.started,
        ended=now(),
        repository=str(info.repository),
        commit=git(folder, "rev-parse", "HEAD"),
        revision=info.revision,
        because=info.because,
        params_sha256=hashlib.sha256(params.read_bytes()).hexdigest() if params.exists() else None,
        inputs=inputs(folder / LOCK),
        driftline=driftline_version(),
        versions=around.versions,
        device=around.device,
        host=platform.node(),
        stages=tuple(results),
        watched=watched,
        earlier=tries(info.repository, info.name),
        due=info.due,
        flow_run=info.flow_run,
    )


def inputs(lock: Path) -> dict[str, str | None]:
    """The md5 of every file or folder that stages read and no stage made, by its path."""
    stages = locked(lock).values()
    made = {path for stage in stages for path in stage.outs}
    return {path: md5 for stage in stages for path, md5 in stage.deps.items() if path not in made}


@dataclass(frozen=True)
class LockedStage:
    """What ``dvc.lock`` says of a stage: the md5 of what it read and made, by path; empty where it has none."""

    deps: Mapping[str, str]
    outs: Mapping[str, str]


def locked(lock: Path) -> dict[str, LockedStage]:
    """The stages that a ``dvc.lock`` knows; none when there is no such file."""
    return _parse_lock(lock.read_text(encoding="utf-8")) if lock.exists() else {}


def locked_at(repository: Path, commit: str) -> dict[str, LockedStage]:
    """The same at a commit."""
    try:
        return _parse_lock(git(repository, "show", f"{commit}:./{LOCK}"))
    except GitFailed:
        return {}


def _parse_lock(text: str) -> dict[str, LockedStage]:
    stages = recorded.stages_in(text)

    def md5s(stage: Mapping[str, list[dict[str, str]]], kind: str) -> dict[str, str]:
        return {entry["path"]: entry.get("md5", "") for entry in stage.get(kind) or []}

    return {name: LockedStage(md5s(stage, "deps"), md5s(stage, "outs")) for name, stage in stages.items()}


def made(repository: Path, commit: str, path: Path) -> str | None:
    """The md5 that ``dvc.lock`` of a commit gives an output; None where it knows none."""
    found = [stage.outs.get(str(path)) for stage in locked_at(repository, commit).values()]
    return next((md5 for md5 in found if md5), None)


def same_model(repository: Path, one: str, other: str) -> bool:
    """Whether two commits made the same classifier, byte for byte; not known: no."""
    md5 = made(repository, one, paths.CLASSIFIER)
    return one == other or (md5 is not None and md5 == made(repository, other, paths.CLASSIFIER))


def _versions(folder: Path) -> Iterator[tuple[str, str]]:
    decisive = read_json(folder / paths.ENVIRONMENT) if (folder / paths.ENVIRONMENT).exists() else {}
    yield "python", platform.python_version()
    for name in (*decisive, *SHOWN):
        with suppress(PackageNotFoundError):  # an older commit's environment may have had more
            yield name, version(name)


def _device(folder: Path) -> Device:
    """The processor, its threads, the GPUs and the precisions; without importing torch, which takes seconds."""
    trained, scored = (
        _precision(folder / file) for file in (paths.metrics("finetune"), paths.metrics("score", "reference"))
    )
    return Device(cpu=chip.kind(), threads=os.cpu_count(), gpus=tuple(_gpus()), precision=trained, scoring=scored)


def _precision(metrics: Path) -> str | None:
    return read_json(metrics).get("precision") if metrics.exists() else None


def _gpus() -> list[str]:
    if not shutil.which("nvidia-smi"):
        return []
    ask = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    done = subprocess.run(ask, capture_output=True, text=True, check=False, timeout=60)
    return done.stdout.splitlines() if done.returncode == 0 else []


def now() -> datetime:
    """The time as records have it: in whole seconds, UTC."""
    return datetime.now(UTC).replace(microsecond=0)


def save(folder: Path, run: RunRecord) -> Experiment:
    """Commit what the run left under its name; the working tree and HEAD stay as they are.

    ``dvc exp save`` would first hash every output again, which ``dvc repro`` has just done, and refuses a run that
    failed half-way.
    """
    write_json(run.model_dump(mode="json", exclude_none=False), folder / RUN)
    baseline = git(folder, "rev-parse", "HEAD")
    return _refer(folder, run, commit_work(folder, _words(run)), baseline)


def commit_work(folder: Path, words: str) -> str:
    """Commit what stages left in a clone on top of HEAD, which stays: the commit, to which no reference leads."""
    git(folder, "add", "--update", ".")
    outputs = {path for stage in locked(folder / LOCK).values() for path in stage.outs}
    cost = {str(paths.FINETUNE_COST)} - outputs  # in an earlier release's pipeline DVC holds it, and git may not too
    landed = [str(path.relative_to(folder)) for path in _landed(folder)]
    kept = [LOCK, str(paths.METRICS), *cost, str(RUN), *landed]
    git(folder, "add", "--force", "--", *(path for path in kept if (folder / path).exists()))
    commit = _commit(folder, git(folder, "write-tree"), "HEAD", words)
    git(folder, "reset", "--quiet")
    return commit


def save_without_clone(repository: Path, run: RunRecord) -> Experiment:
    """Commit the record of a run that has no clone: ``reports/run.json`` beside what the commit it names holds."""
    text = json.dumps(run.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n"
    prefix = git(repository, "rev-parse", "--show-prefix")
    with tempfile.TemporaryDirectory() as made:
        index, file = {"GIT_INDEX_FILE": str(Path(made) / "index")}, Path(made) / "run.json"
        file.write_text(text, encoding="utf-8")
        blob = git(repository, "hash-object", "-w", "--", str(file))
        git(repository, "read-tree", run.commit, environment=index)
        git(repository, "update-index", "--add", "--cacheinfo", f"100644,{blob},{prefix}{RUN}", environment=index)
        tree = git(repository, "write-tree", environment=index)
    saved = _refer(repository, run, _commit(repository, tree, run.commit, _words(run)), run.commit)
    for other in _of_name(git(repository, "for-each-ref", "--format=%(objectname) %(refname)", "refs/exps"), saved):
        git(repository, "update-ref", "-d", other)
    return saved


def _words(run: RunRecord) -> str:
    return f"{run.flow}: {run.name}, {run.outcome}"


def _commit(repository: Path, tree: str, baseline: str, words: str) -> str:
    return git(repository, "commit-tree", tree, "-p", baseline, "-m", words, environment=identity(repository))


def _refer(repository: Path, run: RunRecord, commit: str, baseline: str) -> Experiment:
    own = f"{own_refs(repository)}/{run.name}"
    for ref in (experiment_ref(baseline, run.name), own):
        git(repository, "update-ref", ref, commit)
    return Experiment(run.name, commit, baseline, own)


def experiment_ref(baseline: str, name: str) -> str:
    """DVC's reference of an experiment on a commit."""
    from dvc.repo.experiments.refs import ExpRefInfo  # seconds, which reading a record does not need

    return str(ExpRefInfo(baseline, name))


def _landed(folder: Path) -> list[Path]:
    return sorted((folder / layout.LANDING).glob("*.dvc")) + sorted((folder / layout.LANDING).glob(".gitignore"))


def push(folder: Path, record: Experiment, remote: str = "origin") -> None:
    """Push the record under both its references, and the tags that point at it, to a git remote. Raises GitFailed.

    It takes the place of the record of the run's earlier tries, which may be of another commit.
    """
    remote = typed(remote, "publish.upstream")
    tags = git(folder, "tag", "--points-at", record.commit).splitlines()
    refs = [record.ref, experiment_ref(record.baseline, record.name)]
    what = [*(f"+{record.commit}:{ref}" for ref in refs), *(f"refs/tags/{tag}" for tag in tags)]
    git(folder, "push", "--quiet", remote, *what)
    there = git(folder, "ls-remote", remote, record.ref, f"refs/exps/*/{record.name}")
    if f"{record.commit}\t{record.ref}" not in there.splitlines():
        raise GitFailed(f"{remote} does not hold {record.ref} after the push")
    if others := _of_name(there, record):
        git(folder, "push", "--quiet", remote, *(f":{other}" for other in others))


def _of_name(listed: str, record: Experiment) -> list[str]:
    """DVC's references of that name on other commits, left by earlier tries, in lines of a commit and a reference."""
    refs, own = [line.split()[1] for line in listed.splitlines()], experiment_ref(record.baseline, record.name)
    return [ref for ref in refs if ref not in (record.ref, own) and ref.endswith(f"/{record.name}")]
