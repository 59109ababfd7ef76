"""What becomes of an everyday file: read as it is, with one key, or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
from pydantic import ValidationError

from flows.start import init
from tasks.core.errors import UserError
from tasks.core.params import parse
from tasks.dataset.windows import Windows
from tasks.ingest import Params
from tasks.ingest.__main__ import read_window
from tasks.ingest.windows import plan
from tests.everyday.table import Everyday

FILES = Path(__file__).with_name("files")
AT_ONCE, WITH_INIT, ONE_KEY, TWO_KEYS = "at once", "with init", "one key", "two keys"
REFUSED, WRONG = "not at all", "wrong"
Reads = tuple[str | None, str | None, str | None, str | None]
"""Text, label, time and problem of a row."""
OUTCOMES = (AT_ONCE, WITH_INIT, ONE_KEY, TWO_KEYS, REFUSED, WRONG)


@dataclass(frozen=True)
class Reading:
    """The outcome for one file."""

    outcome: str
    detail: str = ""
    """The key that was needed, what was refused, or the first row that came out otherwise."""


def measure(file: Everyday) -> Reading:
    """Try the ways to read a file, the easiest first."""
    first = _reading(file, {})
    if first.outcome == AT_ONCE:
        return first
    if _with_init(file).outcome == AT_ONCE:
        return Reading(WITH_INIT)
    if not file.param:
        return first
    again = _reading(file, file.param)
    if again.outcome == AT_ONCE:
        said = ", ".join(f"{key}: {value}" for key, value in file.param.items())
        said += "; without it rows come out otherwise" if first.outcome == WRONG else ""
        return Reading(ONE_KEY if len(file.param) == 1 else TWO_KEYS, said)
    return again if again.outcome == WRONG else first


def _reading(file: Everyday, more: dict) -> Reading:
    try:
        found = read(file, more)
    except (UserError, ValidationError) as error:
        return Reading(REFUSED, " ".join(str(error).split()))
    return compared(found, file)


def _with_init(file: Everyday) -> Reading:
    """The rows as ``driftline init --yes`` would have them read, told nothing."""
    try:
        with _alone(file) as source:
            found = init.propose(Path(source), {}, {})
    except (UserError, ValidationError) as error:
        return Reading(REFUSED, str(error))
    return Reading(REFUSED, found.roles.unsettled[0]) if found.roles.unsettled else compared(_reads(found.rows), file)


def compared(found: list[Reads], file: Everyday) -> Reading:
    """At once where the rows are those of the list and as many are held; else wrong."""
    held = sum(problem is not None for *_, problem in found)
    good = sorted((row for *row, problem in found if problem is None), key=str)
    wanted = sorted(map(list, file.rows), key=str)
    if good == wanted and held == file.held:
        return Reading(AT_ONCE)
    first = next(iter([row for row in found if row[:3] not in file.rows] or found), None)
    return Reading(WRONG, f"{len(good)} rows and {held} held, not {len(wanted)} and {file.held}: {first}")


def read(file: Everyday, more: dict) -> list[Reads]:
    """Text, label, time and problem of each row of the file, read by the stage with ``more`` keys of ``ingest``."""
    with _alone(file) as source:
        section = parse(Params, {"columns": file.columns, **more}, "ingest", Path("params.yaml"))
        windows = Windows.model_validate({"reference": {"source": source}})
        rows, _ = read_window(plan("reference", windows, section))
    return _reads(rows)


def _reads(rows: pa.Table) -> list[Reads]:
    times = [_shown(time) for time in rows["timestamp"].to_pylist()]
    columns = (rows[name].to_pylist() for name in ("text", "label", "problem"))
    return [
        (text, label, time, problem)
        for (text, label, problem), time in zip(zip(*columns, strict=True), times, strict=True)
    ]


def _shown(time: datetime | None) -> str | None:
    return time.astimezone(UTC).replace(tzinfo=None).isoformat() if time else None


@contextmanager
def _alone(file: Everyday) -> Iterator[str]:
    """The file as the data of an otherwise empty repository, which is the current folder."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        source = FILES / file.name
        target = Path(folder, "data", file.name)
        target.parent.mkdir()
        (shutil.copytree if source.is_dir() else shutil.copy)(source, target)
        os.chdir(folder)
        try:
            yield f"data/{file.name}"
        finally:
            os.chdir(before)
