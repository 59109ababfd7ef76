"""The reports of any recorded run in a browser: ``driftline report RUN``."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import chdir, suppress
from pathlib import Path

import uvicorn
from dvc.repo import Repo

from driftline_login import Login
from flows.machine import pages
from flows.machine.home import Home
from flows.machine.locks import holding
from flows.machine.prefect_address import LOOPBACK, found
from flows.machine.protected_app import ProtectedApp, nothing
from flows.machine.server import log_in
from flows.runs import record, workspace
from tasks.core import paths
from tasks.core.errors import UserError
from tasks.report import INDEX


def folder_of(home: Home, name: str) -> Path:
    """The clone of a run, with its reports; made anew where it was pruned. UserError: no record, or no report."""
    past = record.find(home.origin, name)
    folder = home.clone_of(past.name)
    if not (folder / INDEX).exists():
        with holding(home.workspace_lock, "driftline report", "refuse"):
            workspace.clone(home, past.ref, home.clones / past.name, workspace.shared_cache(home))
            with chdir(folder), Repo(str(folder)) as repo:  # DVC takes targets for files of where one stands
                made = [out.fs_path for stage in repo.index.stages for out in stage.outs]
                reports = [out for out in made if Path(out).is_relative_to(folder / paths.REPORTS)]
                repo.checkout(targets=reports, force=True, allow_missing=True)
    if not (folder / INDEX).exists():
        raise UserError(f"{past.name} has no {INDEX}: it ended before, or DVC's cache has lost it; `driftline status`")
    return folder


def show(home: Home, name: str) -> None:
    """Say where a browser opens a run's reports."""
    give_out(folder_of(home, name), INDEX, lambda _: None)


Address = Callable[[Path, Path], str | None]


def give_out(folder: Path, page: Path, make: Callable[[Address], None]) -> None:
    """Say where a browser opens a page of a run's clone: at a server of ours that is up, else at one of this process,
    until Ctrl-C. ``make`` writes the page first, told how the address of another clone's page is found."""
    there = pages.address(folder, page) if log_in(found().api) == "ours" else None
    if there:
        make(pages.address)
        print(f"open      {there}")
        return
    with socket.create_server((LOOPBACK, 0)) as listening, suppress(KeyboardInterrupt):
        login, port = Login.new(), listening.getsockname()[1]
        make(lambda clone, its: pages.path_of(login, clone, its))
        print(f"open      http://{LOOPBACK}:{port}{pages.path_of(login, folder, page)}\nCtrl-C ends it", flush=True)
        config = uvicorn.Config(ProtectedApp(nothing, login=login), log_level="warning")
        uvicorn.Server(config).run(sockets=[listening])
