"""Runs and promotions on their way to MLflow: kept until they are there, so that a server that is away costs nothing.

A file for each run names it; what is sent is read from its record then. Of promotions one file says that the champion
has changed: whichever it is when the server answers is set.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import copyfile
from typing import Any

from flows.errors import Busy
from flows.machine.home import NAMING, Home
from flows.machine.locks import holding
from flows.runs.run import Run
from flows.runs.run_record import RunRecord, Version
from flows.tracking.entry import Entry, entry_of
from flows.tracking.server import Mlflow, Tracking
from tasks.core import paths
from tasks.core.errors import UserError
from tasks.core.files import private_folder, write_json
from tasks.core.shown import one_line
from tasks.core.yaml_files import read_yaml

log = logging.getLogger(__name__)

CHANGED = "champion"
Connect = Callable[[str], Tracking]


def export(home: Home, name: str, uri: str | None, connect: Connect = Mlflow) -> None:
    """Send a run on record, if a server is named, and all that waits. That it cannot be sent fails no run."""
    if uri:
        _keep(home, f"run-{name}")
        flush(home, uri, connect)


def promoted(home: Home, connect: Connect = Mlflow) -> None:
    """Send the champion, which has changed, to the server that ``prefect.yaml`` names, if it names one."""
    try:
        uri = named(home)
    except UserError as error:  # the tags are made: an edit of that file fails no promotion
        log.warning(f"MLflow is not told of the champion: {one_line(str(error))}")
        return
    if uri:
        _keep(home, CHANGED)
        flush(home, uri, connect)


def named(home: Home) -> str | None:
    """The server that the first deployment of ``prefect.yaml`` which names one names. UserError: it cannot be read."""
    file = home.origin / NAMING
    content = read_yaml(file) if file.exists() else None
    if not any(_of(one) for one in (content or {}).get("deployments") or ()):
        return None
    from flows.schedule.prefect_yaml import read  # with the environment's variables, and Prefect

    return next(filter(None, (_of({"parameters": one.parameters}) for one in read(file))), None)


def _of(deployment: Any) -> str | None:
    publish = (deployment.get("parameters") or {}).get("publish") or {}
    found = publish.get("mlflow")
    return str(found) if found else None


def waiting(home: Home) -> list[Path]:
    """A file for each that waits, the oldest first."""
    return sorted(_folder(home).glob("*"), key=lambda file: (file.name == CHANGED, file.stat().st_mtime_ns, file.name))


def flush(home: Home, uri: str, connect: Connect = Mlflow) -> None:
    """Send what waits; at the first that fails say so, and leave the rest for the next time."""
    try:
        with holding(home.folder / "locks" / "mlflow.lock", "an export to MLflow", "skip"):
            _send(home, uri, connect)
    except Busy:  # whoever sends now sends these too, or the next run does
        return
    except Exception as error:  # noqa: BLE001  MLflow and its stores raise whatever their packages raise
        left = len(waiting(home))
        log.warning(f"{left} for MLflow at {uri} wait for the next run: {one_line(str(error))[:300]}")


def _send(home: Home, uri: str, connect: Connect) -> None:
    tracking = connect(uri)
    for file in waiting(home):
        with tempfile.TemporaryDirectory() as made:
            try:
                found = _read(home, file.name, Path(made))
            except (UserError, ValueError, LookupError) as error:  # it will be no other at the next try
                log.warning(f"{file.name} is not sent to MLflow: {one_line(str(error))}")
            else:
                _send_run(home, *found, Path(made), tracking)
        file.unlink()


def _read(home: Home, file: str, artifacts: Path) -> tuple[Run, Entry, Version | None]:
    """What a file of the queue stands for, the artifacts written; the version where the run is the champion's.

    UserError: there is none, or it cannot be read.
    """
    from flows.champion import registry

    champion = registry.champion(home.origin) if file == CHANGED else None
    if file == CHANGED and champion is None:
        raise UserError("there is none")
    run = Run.load(home.origin, champion.commit if champion else file.removeprefix("run-"))
    (artifacts / paths.METRICS).mkdir()
    for name, content in run.metrics.items():
        write_json(content, artifacts / paths.METRICS / f"{name}.json")
    if page := run.reports.get("index"):
        (artifacts / paths.REPORTS).mkdir()
        copyfile(page, artifacts / paths.REPORTS / "index.html")
    return run, entry_of(run), champion


def _send_run(
    home: Home, run: Run, entry: Entry, champion: Version | None, artifacts: Path, tracking: Tracking
) -> None:
    """The run, the model that it made, and for the champion a version and the alias."""
    at, classifier = tracking.record(home.name, entry, artifacts), run.folder / paths.CLASSIFIER
    if champion:
        if not tracking.has_model(at):
            with _model_of(home, champion) as promoted_model:
                tracking.add_model(at, promoted_model)
        tracking.promote(home.name, at, champion.name, champion.commit)
        log.info(f"MLflow's {home.name}@champion is {champion}")
    elif run.record and _made_a_model(run.record) and classifier.exists() and not tracking.has_model(at):
        tracking.add_model(at, classifier)


def _made_a_model(run: RunRecord) -> bool:
    return any(one.stage == "finetune" and one.outcome != "unchanged" for one in run.stages)


@contextmanager
def _model_of(home: Home, champion: Version) -> Iterator[Path]:
    from flows.champion.comparison import clone_with

    with tempfile.TemporaryDirectory() as made:
        yield clone_with(home, champion.commit, Path(made) / "clone", [paths.CLASSIFIER]) / paths.CLASSIFIER


def _keep(home: Home, name: str) -> None:
    home.make()
    (private_folder(_folder(home)) / name).touch()


def _folder(home: Home) -> Path:
    return home.folder / "mlflow"
