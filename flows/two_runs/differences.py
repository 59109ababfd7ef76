"""What two runs were given: parameters, rows, code and packages, where they differ."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, Generic, TypeVar

import pyarrow.compute as pc

from flows.machine.git import git
from flows.runs import Run, record
from tasks.core import paths
from tasks.core.tables import read_table
from tasks.dataset import layout
from tasks.report.phrases import window_range

DEFAULT = "default"
NOT_CODE = ("metrics", "reports", "data", "models", "dvc.lock", "params.yaml", "environment.json", "requirements.lock")


Value = TypeVar("Value")


@dataclass(frozen=True)
class Difference(Generic[Value]):
    """A thing that is one in the first run and another in the second."""

    what: str
    one: Value
    other: Value


def of_params(one: Run, other: Run) -> list[Difference[str]]:
    """The keys of ``params.yaml`` with two values; one that is left out has its default, where a section has one."""
    values = [dict(_flat(run.params)) for run in (one, other)]
    keys = sorted({key for each in values for key in each})
    return [Difference(key, *(its.get(key, DEFAULT) for its in values)) for key in keys if _unlike(key, values)]


def _flat(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{before}{key}.")
        elif not isinstance(value, Mapping):
            yield f"{before}{key}", value if isinstance(value, str) else json.dumps(value, default=str)


def of_rows(one: Run, other: Run) -> list[Difference[int]]:
    """How many rows of every kind each run had, whether or not they differ in it."""
    found = [dict(_counts(run)) for run in (one, other)]
    return [Difference(what, found[0].get(what, 0), found[1].get(what, 0)) for what in {**found[0], **found[1]}]


def _counts(run: Run) -> Iterator[tuple[str, int]]:
    for window in paths.WINDOWS:
        its = run.metrics.get(f"validate_{window}") or {}
        yield f"{window} rows that passed", int(its.get("validated", 0))
        yield f"{window} rows in quarantine", int(its.get("quarantined", 0))
    splits = (run.metrics.get("split") or {}).get("rows") or {}
    yield from ((f"{split} rows", int(splits.get(split, 0))) for split in ("train", "validation", "test"))


def of_data(one: Run, other: Run) -> list[Difference[str]]:
    """The ranges of the windows, and the files that no stage made, where they differ."""
    ranges = [{window: window_range(getattr(run.windows, window)) for window in paths.WINDOWS} for run in (one, other)]
    files = [_files(run) for run in (one, other)]
    names = sorted({file for each in files for file in each})
    return [
        *(Difference(f"{key} window", *(its[key] for its in ranges)) for key in paths.WINDOWS if _unlike(key, ranges)),
        *(Difference(file, *(its.get(file, "none") for its in files)) for file in names if _unlike(file, files)),
    ]


def _unlike(key: str, pair: list[dict[Any, str]]) -> bool:
    return pair[0].get(key) != pair[1].get(key)


def _files(run: Run) -> dict[str, str]:
    """The first digits of the md5 of the data that the run read, by path."""
    read = run.record.inputs if run.record else record.inputs(run.home.origin / record.LOCK)
    return {path: md5[:8] for path, md5 in read.items() if md5 and _is_data(path)}


def _is_data(path: str) -> bool:
    """No code, no settings, and no file within a folder that a stage made."""
    made = path.startswith(("data/tokens/", "data/splits/", "data/reference/", "data/current/", "tasks/"))
    return not made and PurePath(path).suffix not in {".py", ".yaml", ".json"}


@dataclass(frozen=True)
class Shared:
    """Train rows by who learnt from them."""

    both: int
    one: int
    other: int


def shared_train_rows(one: Run, other: Run) -> Shared | None:
    """By their ids; None where a run's splits are gone."""
    files = [run.output(layout.split("train")) for run in (one, other)]
    if not (files[0] and files[1]):
        return None
    ids = [read_table(file, ["id"])["id"] for file in files if file]
    both = pc.sum(pc.is_in(ids[0], value_set=ids[1])).as_py() or 0
    return Shared(both, len(ids[0]) - both, len(ids[1]) - both)


def of_packages(one: Run, other: Run) -> list[Difference[str]]:
    """The packages whose versions both runs know, and the release of Driftline, where they differ."""
    found = [_versions(run) for run in (one, other)]
    known = [key for key in found[0] if key in found[1]]
    return [Difference(key, found[0][key], found[1][key]) for key in known if _unlike(key, found)]


def _versions(run: Run) -> dict[str, str]:
    if run.record:
        release = {"Driftline": run.record.driftline} if run.record.driftline else {}
        return release | dict(sorted(run.record.versions.items()))
    from flows.machine.version import version

    return {"Driftline": version()} | {str(key): str(value) for key, value in run.environment.items()}


@dataclass(frozen=True)
class Changed:
    """A file of the code, and the lines that came and went from the first run to the second."""

    path: str
    added: str
    deleted: str


def of_code(one: Run, other: Run) -> list[Changed]:
    """The files that differ, outputs, data and parameters left out. Of the working tree as it is now."""
    home, commits = one.home, [run.experiment.commit if run.experiment else None for run in (one, other)]
    if commits[0] is None and commits[1] is None:
        return []
    back = ["-R"] if commits[0] is None else []  # git compares a commit with the working tree in this order alone
    named = [commit for commit in commits if commit]
    rest = [f":(exclude){path}" for path in NOT_CODE]
    lines = git(home.origin, "diff", "--numstat", "--no-renames", "--relative", *back, *named, "--", ".", *rest)
    parts = [line.split("\t", 2) for line in lines.splitlines()]
    return [Changed(path, added, deleted) for added, deleted, path in parts]
