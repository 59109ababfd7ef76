"""A record leaves its clone: to the repository it was cloned from, and further where that is configured."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Callable
from pathlib import Path

from configobj import ConfigObj

from flows.errors import GitFailed, NotPublished, StageFailed
from flows.machine.git import address
from flows.machine.home import Home
from flows.machine.retry import TRIES, retried
from flows.pipeline.stage import guarded
from flows.runs import dvc_remote, workspace
from flows.runs.record import Experiment, adopt, push, read_record
from flows.tracking import queue, require_mlflow
from tasks.core.errors import UserError

log = logging.getLogger(__name__)

SECRET = (
    "password",
    "secret_access_key",
    "session_token",
    "sas_token",
    "connection_string",
    "account_key",
    "client_secret",
)
WITH_PASSWORD = re.compile(r"://[^/@\s]*:[^/@\s]+@")


def refuse_secrets(home: Home, upstream: str | None, mlflow: str | None = None) -> None:
    """Refuse a password where git, a log or a process list would show it; before hours of training, not after.

    So too a server of MLflow's that this environment has no client for.
    """
    if mlflow:
        require_mlflow()
    if mlflow and WITH_PASSWORD.search(mlflow):
        raise UserError(
            "publish.mlflow has a password in its URL: set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD in "
            "the environment"
        )
    if upstream and WITH_PASSWORD.search(address(home.origin, upstream, "publish.upstream")):
        raise UserError(f"the git remote {upstream} has a password in its URL: use a credential helper or a key")
    file = home.origin / ".dvc" / "config"
    shown = ConfigObj(str(file), encoding="utf-8", list_values=False) if file.exists() else {}
    for section, options in shown.items():
        found = [key for key in SECRET if key in options] + ["url"] * bool(WITH_PASSWORD.search(options.get("url", "")))
        if found:
            raise UserError(
                f".dvc/config, which git tracks, holds a secret: {found[0]} of [{section}]. Take it out and give it in "
                "the environment, or with `dvc remote modify --local`; then change it, since git's history has it"
            )


def publish_record(
    home: Home, folder: Path, saved: Experiment, upstream: str | None, mlflow: str | None = None
) -> None:
    """Push to the deployed repository, then the data to DVC's default remote, then the record to ``upstream``.

    In this order, so that nobody finds a record whose data is not there. Raises GitFailed or NotPublished. A run that
    ended well goes to MLflow's server, too; that it cannot fails nothing.
    """
    push(folder, saved)
    adopt(home.origin)
    if workspace.default_remote(folder):
        _again(lambda: push_data(folder), f"the data of {saved.name}", folder)
    if upstream:
        where = f"{upstream}, {address(home.origin, upstream, 'publish.upstream')}"
        _again(lambda: push(home.origin, saved, upstream), f"{saved.name} to {where}", folder)
    log.info(f"recorded as {saved.name}: see `dvc exp show`, rebuild with `driftline verify {saved.name}`")
    if read_record(home.origin, saved).completed:
        queue.export(home, saved.name, mlflow)


def push_data(folder: Path) -> None:
    """Push what the clone's stages made to DVC's default remote. Raises StageFailed."""
    code, last = guarded([sys.executable, "-m", "dvc", "--cd", str(folder), "push"])
    if code:
        remote, said = dvc_remote.Remote.default(folder), "\n".join(last)
        raise StageFailed((remote and remote.sentence(said)) or dvc_remote.fault(folder) or said)


def _again(act: Callable[[], None], what: str, folder: Path) -> None:
    """Try what touches the network a few times, with growing random pauses."""
    try:
        retried(act, GitFailed, StageFailed)
    except (GitFailed, StageFailed) as failure:
        raise NotPublished(f"could not push {what}, after {TRIES} tries; it is safe in {folder}: {failure}") from None
