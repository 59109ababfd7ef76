"""Fetch what is new in the sources of ``landing.yaml`` into ``data/landing/``, and track it with DVC."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from tasks.core.cli import run
from tasks.core.errors import UserError
from tasks.dataset.layout import LANDING
from tasks.land import Address, Kind, Source, Transient, command, resolve
from tasks.land.corrections import correction_notes
from tasks.land.declared import read_landing_file
from tasks.land.download import land_url
from tasks.land.files import land_files
from tasks.land.hub import land_hub
from tasks.land.limits import Limits, read_params, time_limit
from tasks.land.parts import Parts, locked
from tasks.land.retire import retire
from tasks.land.sql import land_sql
from tasks.land.store import land_store
from tasks.land.tracked import restore, track

Land = Callable[[str, Source, Address, Parts, bool], list[str]]
KINDS: dict[Kind, Land] = {"sql": land_sql, "hub": land_hub, "url": land_url, "store": land_store, "files": land_files}
MAX_ATTEMPTS = 4
WAIT = wait_random_exponential(multiplier=1, max=30)


def land(name: str, source: Source, dry: bool = False, full: bool = False) -> tuple[Parts, list[str]]:
    """Land what is new in one source: its parts and notes for the user. No secret is in any message."""
    address = resolve(name, source)
    folder = LANDING / name
    attempts = stop_after_attempt(1 if dry else MAX_ATTEMPTS)
    retrying = Retrying(stop=attempts, wait=WAIT, retry=retry_if_exception_type(Transient), reraise=True)
    try:
        most = read_params()
        with locked(folder), time_limit(name, most):
            restore(folder)
            parts = Parts(folder, dry, Limits(name, most))  # an attempt continues from what the one before landed
            before = len(parts.files)
            notes = retrying(KINDS[address.kind], name, source, address, parts, full)
            return parts, notes + correction_notes(parts, before)
    except UserError as error:
        raise UserError(address.hide(str(error))) from None
    except OSError as error:
        raise UserError(
            f"{name}: {address.hide(str(error))}: no partial part is left; correct it and land again"
        ) from None


def _report(name: str, parts: Parts, notes: list[str]) -> None:
    would = "would land" if parts.dry else "landed"
    if parts.added:
        what = f"{parts.rows:,} rows" if parts.rows else f"{len(parts.added)} files as they are,"
        print(f"{name}: {would} {what} in {' to '.join(sorted({parts.added[0], parts.added[-1]}))}")
    else:
        print(f"{name}: nothing new ({len(parts.data)} parts)")
    for note in notes:
        print(f"  note: {note}")


def _print_next_steps(names: list[str]) -> None:
    files = " ".join(f"{LANDING / name}.dvc" for name in names)
    print(f"to use it, in params.yaml:  ingest: {{source: {LANDING / names[0]}}}")
    print(f"to keep it, with git:       git add {files} {LANDING}/.gitignore")


def land_all(names: Sequence[str], dry: bool, full: bool) -> None:
    """Land the sources named, or all of them; a source that fails does not stop the others."""
    sources = read_landing_file()
    if unknown := [name for name in names if name not in sources]:
        raise UserError(f"landing.yaml names no {', '.join(unknown)}; it has {', '.join(sources)}")
    errors, landed = [], []
    for name in names or sources:
        try:
            parts, notes = land(name, sources[name], dry, full)
        except UserError as error:
            errors.append(str(error))
            continue
        _report(name, parts, notes)
        landed += [name] if parts.files else []
    if landed and not dry:
        track([LANDING / name for name in landed])
        _print_next_steps(landed)
    if errors:
        raise UserError("\n".join(errors))


def retire_part(part: str, reason: str) -> None:
    """Retire a landed part, and track that."""
    folder = retire(part, reason)
    track([folder])
    print(f"{part} is retired: ingest reads on without it from now on")
    print(f"to keep it, with git:       git add {folder}.dvc {LANDING}/.gitignore")


if __name__ == "__main__":
    run(command.land)
