"""Fetch what is new in the sources of ``landing.yaml`` into ``data/landing/``, and track it with DVC."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from tasks.core.cli import run
from tasks.core.errors import UserError
from tasks.dataset.layout import LANDING
from tasks.land import Address, Kind, Source, Transient, resolve
from tasks.land.declared import declared
from tasks.land.download import land_url
from tasks.land.files import land_files
from tasks.land.hub import land_hub
from tasks.land.parts import Parts, locked
from tasks.land.sql import land_sql
from tasks.land.tracked import restore, track

EXAMPLES = """\
examples:
  python -m tasks.land                    land every source of landing.yaml
  python -m tasks.land tickets --dry-run  say what would land, and land nothing
  python -m tasks.land tickets --full     read every row again, and land those that the cursor passed by
"""
Land = Callable[[str, Source, Address, Parts, bool], list[str]]
KINDS: dict[Kind, Land] = {"sql": land_sql, "hub": land_hub, "url": land_url, "files": land_files}
TRIES = 4
WAIT = wait_random_exponential(multiplier=1, max=30)


def land(name: str, source: Source, dry: bool = False, full: bool = False) -> tuple[Parts, list[str]]:
    """Land what is new in one source: its parts, and what to tell the user. No secret is in any message."""
    address = resolve(name, source)
    folder = LANDING / name
    tries = stop_after_attempt(1 if dry else TRIES)
    again = Retrying(stop=tries, wait=WAIT, retry=retry_if_exception_type(Transient), reraise=True)
    try:
        with locked(folder):
            restore(folder)
            parts = Parts(folder, dry)  # what one try has landed is where the next one goes on
            return parts, again(KINDS[address.kind], name, source, address, parts, full)
    except UserError as refusal:
        raise UserError(address.hide(str(refusal))) from None
    except OSError as error:
        raise UserError(
            f"{name}: {address.hide(str(error))}: nothing half-written is left; mend it and land again"
        ) from None


def _report(name: str, parts: Parts, notes: list[str]) -> None:
    would = "would land" if parts.dry else "landed"
    if parts.added:
        what = f"{parts.rows:,} rows" if parts.rows else f"{len(parts.added)} files as they are,"
        print(f"{name}: {would} {what} in {' to '.join(sorted({parts.added[0], parts.added[-1]}))}")
    else:
        print(f"{name}: nothing new ({len(parts.files)} parts)")
    for note in notes:
        print(f"  note: {note}")


def _next(names: list[str]) -> None:
    files = " ".join(f"{LANDING / name}.dvc" for name in names)
    print(f"to use it, in params.yaml:  ingest: {{source: {LANDING / names[0]}}}")
    print(f"to keep it, with git:       git add {files} {LANDING}/.gitignore")


def main() -> None:
    """Land the sources named, or all of them; a source that is refused holds none of the others up."""
    parser = argparse.ArgumentParser("python -m tasks.land", None, __doc__, EXAMPLES)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("names", metavar="NAME", nargs="*", help="a source of landing.yaml; all of them by default")
    parser.add_argument("--dry-run", action="store_true", help="read and compare, but add and track nothing")
    parser.add_argument("--full", action="store_true", help="read every row, also those before the cursor's position")
    options = parser.parse_args()
    sources = declared()
    if unknown := [name for name in options.names if name not in sources]:
        raise UserError(f"landing.yaml names no {', '.join(unknown)}; it has {', '.join(sources)}")
    refusals, there = [], []
    for name in options.names or sources:
        try:
            parts, notes = land(name, sources[name], options.dry_run, options.full)
        except UserError as refusal:
            refusals.append(str(refusal))
            continue
        _report(name, parts, notes)
        there += [name] if parts.files else []
    if there and not options.dry_run:
        track([LANDING / name for name in there])
        _next(there)
    if refusals:
        raise UserError("\n".join(refusals))


if __name__ == "__main__":
    run(main)
