"""Where the page of two runs lies, and how a browser opens it."""

from __future__ import annotations

from pathlib import Path

from flows.champion import registry
from flows.machine.home import Home
from flows.runs import Run
from flows.runs.reports import Address, folder_of, give_out
from flows.two_runs.page import SIDES, Side, page
from tasks.core.errors import UserError
from tasks.core.files import private_folder, replacing
from tasks.core.paths import REPORTS
from tasks.report import INDEX

HERE = "."
CHAMPION = "champion"


def find(home: Home, name: str) -> Run:
    """The run of that name or commit; ``.`` is this folder, ``champion`` the version in production."""
    if name == HERE:
        return Run.load(home.origin)
    if name != CHAMPION:
        return Run.load(home.origin, name)
    version = registry.champion(home.origin)
    if version is None:
        raise UserError("there is no champion to compare with yet: `driftline promote` makes one")
    return Run.load(home.origin, version.commit)


def show(home: Home, names: tuple[str, str]) -> None:
    """Say where a browser opens the page; it lies beside the reports of the first of the two that is on record."""
    runs = (find(home, names[0]), find(home, names[1]))
    if runs[0].folder == runs[1].folder:
        raise UserError(f"{names[0]} and {names[1]} are the same run: name two")
    folders = tuple(folder_of(home, run.name) if run.record else None for run in runs)
    beside = next((folder for folder in folders if folder), None)
    if beside is None:
        _write(home.origin, runs, (None, None))
        print(f"open      {(home.origin / _name(runs)).as_uri()}")
        return

    def make(address: Address) -> None:
        found = [address(folder, INDEX) if folder else None for folder in folders]
        _write(beside, runs, tuple(where and where.removesuffix(INDEX.name) for where in found))

    give_out(beside, _name(runs), make)


def _name(runs: tuple[Run, Run]) -> Path:
    return REPORTS / f"{runs[0].name} beside {runs[1].name}.html".replace(" ", "-")


def _write(folder: Path, runs: tuple[Run, Run], pages: tuple[str | None, ...]) -> None:
    sides = [Side(letter, run, where) for letter, run, where in zip(SIDES, runs, pages, strict=True)]
    private_folder(folder / REPORTS)
    with replacing(folder / _name(runs)) as part:
        part.write_text(page(*sides), encoding="utf-8")
